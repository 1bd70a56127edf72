/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.BatchPlacement;
import io.balancedllm.routing.RoutingContext;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Places calls that were given together, those of one model at a time. Calls that are not placed, or whose place is taken
 * when they start, are picked one at a time.
 */
final class Batches {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final List<EndpointPool> pools;
    private final RandomGenerator random;
    private final BatchPlacement policy;

    Batches(List<EndpointPool> pools, RandomGenerator random, BatchPlacement policy) {
        this.pools = pools;
        this.random = random;
        this.policy = policy;
    }

    void place(List<Call> calls, long nowNanos) {
        try {
            for (List<Call> batch : alike(calls)) {
                placeAlike(batch, nowNanos);
            }
        } catch (LlmException e) {
            LOG.debug("a batch is not placed as one: each of its calls is told why when it is routed", e);
        } catch (Throwable e) { // also an Error: the calls have to be made all the same
            LOG.warn("the routing policy {} failed to place {} calls", policy, calls.size(), e);
        }
    }

    private static Collection<List<Call>> alike(List<Call> calls) {
        Map<List<Object>, List<Call>> alike = new LinkedHashMap<>();
        for (Call call : calls) {
            List<Object> key =
                    List.of(call.operation(), Optional.ofNullable(call.work().model()));
            alike.computeIfAbsent(key, k -> new ArrayList<>()).add(call);
        }
        return alike.values();
    }

    private void placeAlike(List<Call> batch, long nowNanos) {
        Chain.Place place = new Chain(pools, batch.get(0), nowNanos, random).place(false);
        if (place == null || place.choice() == null) {
            return;
        }
        PoolSnapshot.Choice choice = place.choice();
        List<RoutingContext> contexts = new ArrayList<>(batch.size());
        for (Call call : batch) {
            contexts.add(new PickContext(call, place.model(), nowNanos, random));
        }
        EndpointView[] placement = new EndpointView[batch.size()];
        policy.place(contexts, choice.members(), placement);
        for (int i = 0; i < placement.length; i++) {
            if (placement[i] instanceof PoolMember member) {
                batch.get(i).prompt().placedAt(member);
            }
        }
    }
}
