/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.BalancedLlm;
import io.balancedllm.cache.semantic.SemanticCache;
import io.balancedllm.cache.semantic.onnx.MiniLmEmbedder;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.testkit.ScriptedBackend;
import io.balancedllm.time.Ticker;
import java.util.Arrays;
import java.util.List;

/** Whole calls that are answered by meaning, the embedding included. */
final class HitsByMeaning {
    private static final String STORED = "How long does an international bank transfer take?";
    private static final String ASKED = "How long does an international bank transfer take, please?";

    private static final int WARM_UP = 200;
    private static final int CALLS = 400;
    private static final double NANOS_PER_MILLI = 1e6;

    private HitsByMeaning() {}

    static Comparison measure() {
        try (MiniLmEmbedder embedder = MiniLmEmbedder.create();
                BalancedLlm llm = BalancedLlm.builder()
                        .endpoint("a", ScriptedBackend.answering("Two or three days."))
                        .healthCheck(HealthCheck.off())
                        .cache(SemanticCache.builder(embedder).build())
                        .build()) {
            llm.complete(request(STORED));
            Ticker ticker = Ticker.system();
            double[] whole = new double[CALLS];
            double[] alone = new double[CALLS];
            for (int call = -WARM_UP; call < CALLS; call++) {
                long start = ticker.nanos();
                Completion answer = llm.complete(request(ASKED));
                long middle = ticker.nanos();
                embedder.embed(List.of(ASKED)).toCompletableFuture().join();
                long end = ticker.nanos();
                if (!(answer.decision().orElseThrow().cache() instanceof CacheOutcome.Semantic)) {
                    throw new Failure("\"" + ASKED + "\" is no hit", null);
                }
                if (call >= 0) {
                    whole[call] = (middle - start) / NANOS_PER_MILLI;
                    alone[call] = (end - middle) / NANOS_PER_MILLI;
                }
            }
            return new Comparison(
                    "hit by meaning, a call, p50", "ms", median(whole), "its embedding alone", median(alone));
        }
    }

    private static CompletionRequest request(String text) {
        return CompletionRequest.builder("m").user(text).temperature(0).build();
    }

    private static double median(double[] values) {
        Arrays.sort(values);
        return values[values.length / 2];
    }
}
