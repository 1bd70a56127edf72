/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/** Endpoints named a, b, c, ... (e0, e1, ... when there are many), and lists of candidates from among them. */
final class FakePool {
    private static final int LETTERS = 26;

    private final List<FakeEndpoint> endpoints = new ArrayList<>();

    private FakePool() {}

    static FakePool of(int size) {
        return withWeights(IntStream.range(0, size).mapToDouble(i -> 1).toArray());
    }

    static FakePool withWeights(double... weights) {
        FakePool pool = new FakePool();
        for (int i = 0; i < weights.length; i++) {
            String id = weights.length <= LETTERS ? String.valueOf((char) ('a' + i)) : "e" + i;
            pool.endpoints.add(new FakeEndpoint(id, weights[i]));
        }
        return pool;
    }

    FakeEndpoint get(int ordinal) {
        return endpoints.get(ordinal);
    }

    int size() {
        return endpoints.size();
    }

    /** Replaces an endpoint by a new one, of which policies know nothing. */
    void replace(int ordinal, String id) {
        endpoints.set(ordinal, new FakeEndpoint(id, 1));
    }

    void join(String id) {
        endpoints.add(new FakeEndpoint(id, 1));
    }

    long loadReads() {
        return endpoints.stream()
                .mapToLong(endpoint -> endpoint.loadReads.get())
                .sum();
    }

    Candidates all() {
        return only(IntStream.range(0, endpoints.size()).toArray());
    }

    Candidates only(int... ordinals) {
        return new Subset(List.copyOf(endpoints), ordinals.clone());
    }

    /** {@return any non-empty list of candidates, each as likely as any other; for pools of up to 30} */
    Candidates some(RandomGenerator random) {
        int mask = 1 + random.nextInt((1 << size()) - 1);
        return only(IntStream.range(0, size()).filter(i -> (mask >> i & 1) == 1).toArray());
    }

    private static final class Subset extends AbstractList<EndpointView> implements Candidates {
        private final List<FakeEndpoint> pool;
        private final int[] ordinals;

        private Subset(List<FakeEndpoint> pool, int[] ordinals) {
            this.pool = pool;
            this.ordinals = ordinals;
        }

        @Override
        public EndpointView get(int index) {
            return pool.get(ordinals[index]);
        }

        @Override
        public int size() {
            return ordinals.length;
        }

        @Override
        public int ordinal(int index) {
            return ordinals[index];
        }

        @Override
        public int poolSize() {
            return pool.size();
        }
    }
}
