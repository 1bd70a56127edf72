/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.cache;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.semantic.Audit;
import io.balancedllm.cache.semantic.SemanticCache;
import io.balancedllm.cache.semantic.Veto;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** Sends every text of a set of pairs once through an empty cache, in random order, and judges what comes back. */
final class CacheReplay {
    private static final double NANOS_PER_MILLI = 1e6;
    /** Points of the curve of errors over requests. */
    static final int POINTS = 20;

    private static final Duration FOR_EVER = Duration.ofDays(1);

    private final LabelledPairs data;
    private final KnownEmbeddings embeddings;
    private final Ticker ticker;
    private final List<String> stream;

    CacheReplay(LabelledPairs data, KnownEmbeddings embeddings, Ticker ticker, long seed) {
        this.data = data;
        this.embeddings = embeddings;
        this.ticker = ticker;
        this.stream = new ArrayList<>(data.texts());
        Collections.shuffle(stream, new Random(seed));
        stream.forEach(embeddings::of);
    }

    /**
     * What came of it.
     *
     * @param hits answers given
     * @param wrong those of them that were made for something else
     * @param hitMillis how long hits took, the embedding included; the median, NaN without any
     * @param wrongSoFar wrong answers over all requests so far, at {@link #POINTS} points
     */
    record Result(
            CachePolicy policy,
            int entries,
            int requests,
            int hits,
            int wrong,
            double auc,
            double hitMillis,
            List<Double> wrongSoFar) {
        double hitShare() {
            return (double) hits / requests;
        }

        double wrongShare() {
            return (double) wrong / requests;
        }

        double precision() {
            return hits == 0 ? Double.NaN : 1 - (double) wrong / hits;
        }
    }

    Result run(CachePolicy policy) {
        Map<String, String> meanings = data.meanings();
        int hits = 0;
        int wrong = 0;
        long[] nanos = new long[stream.size()];
        List<Double> wrongSoFar = new ArrayList<>();
        try (SemanticCache cache = SemanticCache.builder(embeddings)
                .threshold(policy.threshold())
                .vetoes(policy.vetoes())
                .audit(Audit.builder().share(0).build())
                .timeToLive(FOR_EVER)
                .executor(Runnable::run)
                .build()) {
            for (int i = 0; i < stream.size(); i++) {
                String text = stream.get(i);
                CompletionRequest request = CompletionRequest.builder("model")
                        .user(text)
                        .temperature(0)
                        .build();
                CacheKey key = CacheKey.of(request, CallOptions.DEFAULT, CacheScope.TENANT);
                long start = ticker.nanos();
                CacheLookup lookup =
                        cache.lookup(key, request).toCompletableFuture().join();
                long took = ticker.nanos() - start + embeddings.nanos(text);
                if (lookup instanceof CacheLookup.Hit hit) {
                    nanos[hits++] = took;
                    if (!hit.answer().completion().text().equals(meanings.get(text))) {
                        wrong++;
                    }
                } else if (lookup instanceof CacheLookup.Miss miss) {
                    cache.store(key, miss, answer(meanings.getOrDefault(text, text)));
                }
                if ((i + 1) * POINTS / stream.size() > i * POINTS / stream.size()) {
                    wrongSoFar.add((double) wrong / (i + 1));
                }
            }
            return new Result(
                    policy,
                    cache.statistics().entries(),
                    stream.size(),
                    hits,
                    wrong,
                    auc(policy),
                    median(Arrays.copyOf(nanos, hits)),
                    wrongSoFar);
        }
    }

    private static Completion answer(String text) {
        return Completion.builder(Operation.CHAT)
                .choice(new Choice(0, Message.assistant(text), FinishReason.STOP, null, Map.of()))
                .build();
    }

    private static double median(long[] nanos) {
        Arrays.sort(nanos);
        return nanos.length == 0 ? Double.NaN : nanos[nanos.length / 2] / NANOS_PER_MILLI;
    }

    /** The area under the ROC curve of the pairs: that a pair of one meaning scores above one of two. */
    private double auc(CachePolicy policy) {
        List<LabelledPairs.Pair> pairs = data.pairs();
        double[] scores =
                pairs.stream().mapToDouble(pair -> score(pair, policy)).toArray();
        Integer[] order = new Integer[scores.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (a, b) -> Double.compare(scores[a], scores[b]));
        double ranks = 0;
        long same = 0;
        for (int from = 0; from < order.length; ) {
            int to = from;
            while (to < order.length && scores[order[to]] == scores[order[from]]) {
                to++;
            }
            for (int i = from; i < to; i++) {
                if (pairs.get(order[i]).same()) {
                    ranks += (from + 1 + to) / 2.0;
                    same++;
                }
            }
            from = to;
        }
        long different = order.length - same;
        return same == 0 || different == 0
                ? Double.NaN
                : (ranks - same * (same + 1) / 2.0) / ((double) same * different);
    }

    /** The similarity of a pair; one that is kept apart is below all others. */
    private double score(LabelledPairs.Pair pair, CachePolicy policy) {
        double similarity = embeddings.of(pair.a()).similarity(embeddings.of(pair.b()));
        return Veto.between(pair.a(), pair.b(), policy.vetoes()).isPresent() ? similarity - 2 : similarity;
    }

    /**
     * What one veto does to the pairs that are near enough.
     *
     * @param trueHits pairs of one meaning above the threshold
     * @param trueLost those of them it keeps apart
     * @param falseHits pairs of two meanings above the threshold
     * @param falseCut those of them it keeps apart
     */
    record Effect(int trueHits, int trueLost, int falseHits, int falseCut) {}

    Effect effect(Iterable<Veto> vetoes, double threshold) {
        Set<Veto> set = EnumSet.noneOf(Veto.class);
        vetoes.forEach(set::add);
        int[] counts = new int[4];
        for (LabelledPairs.Pair pair : data.pairs()) {
            if (embeddings.of(pair.a()).similarity(embeddings.of(pair.b())) >= threshold) {
                int at = pair.same() ? 0 : 2;
                counts[at]++;
                counts[at + 1] += Veto.between(pair.a(), pair.b(), set).isPresent() ? 1 : 0;
            }
        }
        return new Effect(counts[0], counts[1], counts[2], counts[3]);
    }
}
