/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.LongStream;

/** Generated traces that need no file. */
final class SmallTraces {
    private SmallTraces() {}

    /** {@return requests of a few families that share the start of their prompts; one in ten is very long} */
    static Trace mixed(int requests, double meanSecondsBetween, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        List<TraceRequest> result = new ArrayList<>();
        double at = 0;
        for (int i = 0; i < requests; i++) {
            long family = random.nextInt(10) * 1_000L;
            int own = random.nextInt(10) == 0 ? 60 : random.nextInt(6);
            long ownIds = 1_000_000L + i * 100L;
            List<Long> blocks = LongStream.concat(
                            LongStream.range(family, family + 8), LongStream.range(ownIds, ownIds + own))
                    .boxed()
                    .toList();
            int tokens = blocks.size() * SimulatedPrompt.BLOCK_TOKENS + 1 + random.nextInt(500);
            result.add(new TraceRequest(at, new SimulatedPrompt(tokens, blocks), 1 + random.nextInt(300)));
            at += -Math.log(1 - random.nextDouble()) * meanSecondsBetween;
        }
        return Trace.of(result);
    }
}
