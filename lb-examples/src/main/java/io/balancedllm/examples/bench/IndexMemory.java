/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.ExactCache;
import io.balancedllm.cache.semantic.SemanticCache;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.time.Ticker;
import java.lang.ref.Reference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.ObjIntConsumer;

/** What an index takes on the heap beside questions and answers, which the exact cache would hold as well. */
final class IndexMemory {
    private static final int ENTRIES = 100_000;
    private static final int COLLECTIONS = 3;
    private static final double BYTES_PER_MEGABYTE = 1e6;

    private IndexMemory() {}

    static Comparison measure() {
        Completion answer = Completion.builder(Operation.CHAT)
                .choice(new Choice(0, Message.assistant("Because."), FinishReason.STOP, null, Map.of()))
                .build();
        ExactCache exact = new ExactCache(1L << 32, Duration.ofHours(1), Ticker.system());
        List<String> questions = new ArrayList<>();
        double texts = megabytes(List.of(exact, questions), (key, i) -> {
            exact.store(key, answer);
            questions.add(key.text().orElseThrow());
        });
        Random random = new Random(3);
        try (SemanticCache cache = SemanticCache.builder(new DrawnVectors())
                .maximumBytes(1L << 32)
                .maximumSize(ENTRIES)
                .build()) {
            double all = megabytes(
                    cache,
                    (key, i) -> cache.store(
                            key, new CacheLookup.Miss(new CacheOutcome.Miss(), DrawnVectors.draw(random), 0), answer));
            return new Comparison(
                    "index of 100,000 x " + DrawnVectors.DIMENSION + ", beside texts",
                    "MB",
                    all - texts,
                    "the vectors alone",
                    (double) ENTRIES * DrawnVectors.DIMENSION * Float.BYTES / BYTES_PER_MEGABYTE);
        }
    }

    private static double megabytes(Object filled, ObjIntConsumer<CacheKey> store) {
        long before = used();
        try {
            for (int i = 0; i < ENTRIES; i++) {
                CompletionRequest request =
                        CompletionRequest.builder("m").user("question " + i).build();
                store.accept(CacheKey.of(request, CallOptions.DEFAULT, CacheScope.TENANT), i);
            }
            return (used() - before) / BYTES_PER_MEGABYTE;
        } finally {
            Reference.reachabilityFence(filled);
        }
    }

    private static long used() {
        Runtime runtime = Runtime.getRuntime();
        long least = Long.MAX_VALUE;
        for (int i = 0; i < COLLECTIONS; i++) {
            System.gc();
            least = Math.min(least, runtime.totalMemory() - runtime.freeMemory());
        }
        return least;
    }
}
