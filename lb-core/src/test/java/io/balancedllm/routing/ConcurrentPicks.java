/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Picks by several threads that start together. */
final class ConcurrentPicks {
    private static final long DEADLINE_SECONDS = 60;

    private ConcurrentPicks() {}

    static Map<String, Integer> counts(RoutingPolicy policy, int threads, int picksOfEach, Candidates candidates)
            throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            CyclicBarrier start = new CyclicBarrier(threads);
            List<Future<Map<String, Integer>>> results = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                FakeCall call = FakeCall.seeded(t);
                results.add(executor.submit(() -> {
                    start.await();
                    return Picks.counts(policy, call, i -> candidates, picksOfEach);
                }));
            }
            Map<String, Integer> all = new TreeMap<>();
            for (Future<Map<String, Integer>> result : results) {
                result.get(DEADLINE_SECONDS, TimeUnit.SECONDS).forEach((id, n) -> all.merge(id, n, Integer::sum));
            }
            return all;
        } finally {
            executor.shutdownNow();
        }
    }
}
