/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.Candidates;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * Candidates a test puts together: a whole pool, or what is left of one. Immutable and thread-safe.
 *
 * <pre>{@code
 * FakeCandidates pool = FakeCandidates.idle(4);                          // "e0" to "e3"
 * FakeCandidates left = pool.filter(endpoint -> !endpoint.id().equals("e0")); // keeps its places in the pool
 * }</pre>
 */
public final class FakeCandidates extends AbstractList<EndpointView> implements Candidates {
    private final List<EndpointView> endpoints;
    private final int[] ordinals;
    private final int poolSize;

    private FakeCandidates(List<? extends EndpointView> endpoints, int[] ordinals, int poolSize) {
        if (endpoints.isEmpty()) {
            throw new IllegalArgumentException("a policy is never asked to pick from nothing");
        }
        this.endpoints = List.copyOf(endpoints);
        this.ordinals = ordinals;
        this.poolSize = poolSize;
    }

    /** {@return a pool of these endpoints, all eligible} */
    public static FakeCandidates of(EndpointView... endpoints) {
        return of(List.of(endpoints));
    }

    /** {@return a pool of these endpoints, all eligible} */
    public static FakeCandidates of(List<? extends EndpointView> endpoints) {
        return new FakeCandidates(
                endpoints, IntStream.range(0, endpoints.size()).toArray(), endpoints.size());
    }

    /** {@return a pool of this many new, idle endpoints of weight 1, named {@code e0}, {@code e1} and so on} */
    public static FakeCandidates idle(int count) {
        return of(IntStream.range(0, count)
                .mapToObj(i -> new FakeEndpointView("e" + i))
                .toList());
    }

    /** {@return the candidates that are left, with the places they have in the whole pool; at least one must be} */
    public FakeCandidates filter(Predicate<? super EndpointView> eligible) {
        List<EndpointView> left = new ArrayList<>();
        IntStream.Builder places = IntStream.builder();
        for (int i = 0; i < endpoints.size(); i++) {
            if (eligible.test(endpoints.get(i))) {
                left.add(endpoints.get(i));
                places.add(ordinals[i]);
            }
        }
        return new FakeCandidates(left, places.build().toArray(), poolSize);
    }

    @Override
    public EndpointView get(int index) {
        return endpoints.get(index);
    }

    @Override
    public int size() {
        return endpoints.size();
    }

    @Override
    public int ordinal(int index) {
        return ordinals[index];
    }

    @Override
    public int poolSize() {
        return poolSize;
    }
}
