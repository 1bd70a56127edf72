/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Prompt;
import io.balancedllm.djl.Gpt2Backend;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.KvListener;
import io.balancedllm.endpoint.ResponseInfo;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.time.Ticker;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;

/** Calls of one in-process backend, straight at its interface, with the times of their tokens. */
final class EngineRun {
    static final double MEDIAN = 0.5;
    private static final double P99 = 0.99;
    private static final double NANOS = 1e9;
    private static final int DECODING_PROMPT = 16;

    private final Gpt2Backend backend;
    private final Ticker ticker = Ticker.system();
    private final SplittableRandom random = new SplittableRandom(7);

    EngineRun(Gpt2Backend backend) {
        this.backend = backend;
    }

    /** {@return seconds to the first token of a new prompt, and of the same prompt again} */
    double[] firstTokens(int promptTokens) {
        int[] prompt = drawn(promptTokens);
        double[] seconds = new double[2];
        for (int i = 0; i < 2; i++) {
            Times times = start(prompt, 1);
            times.await();
            seconds[i] = times.toFirst();
            awaitEndOfStep();
        }
        return seconds;
    }

    /** The step that gave a token also keeps the prompt's blocks, behind the token; a listener is told between steps. */
    private void awaitEndOfStep() {
        Told told = new Told();
        Runnable enough = backend.tellKvEvents(told).orElseThrow();
        await(told.latch);
        enough.run();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure("interrupted", e);
        }
    }

    /**
     * Lets some sequences decode while prompts come one after the other.
     *
     * @param decodes how many sequences decode
     * @param prompts how many prompts come
     * @param promptTokens of each
     */
    Load under(int decodes, int prompts, int promptTokens) {
        int most = DrawnModel.CONTEXT - DECODING_PROMPT;
        List<Times> running = new ArrayList<>();
        for (int i = 0; i < decodes; i++) {
            running.add(start(drawn(DECODING_PROMPT), most));
        }
        running.forEach(Times::awaitFirst);
        Stored stored = new Stored();
        Runnable enough = backend.tellKvEvents(stored).orElseThrow();
        long began = ticker.nanos();
        List<Double> first = new ArrayList<>();
        for (int i = 0; i < prompts; i++) {
            Times prompt = start(drawn(promptTokens), 1);
            prompt.await();
            first.add(prompt.toFirst());
        }
        long ended = ticker.nanos();
        boolean whole = running.stream().noneMatch(Times::isDone);
        enough.run(); // before streams end, whose answers are kept, too
        running.forEach(Times::cancel);
        if (!whole) {
            throw new Failure("the sequences that decode came to their end before the prompts did", null);
        }
        List<double[]> gaps = new ArrayList<>();
        for (Times times : running) {
            gaps.addAll(times.gaps(began, ended));
        }
        return new Load(first, gaps, stored.since(began), (ended - began) / NANOS);
    }

    private int[] drawn(int tokens) {
        return random.ints(tokens, 0, DrawnModel.VOCABULARY).toArray();
    }

    private Times start(int[] prompt, int maxTokens) {
        CompletionRequest request = CompletionRequest.builder()
                .prompt(new Prompt.Tokens(prompt))
                .temperature(0)
                .maxTokens(maxTokens)
                .extra(Map.of("ignore_eos", true))
                .build();
        Times times = new Times();
        times.generation = backend.start(Attempt.of(request), times);
        times.generation.request(Integer.MAX_VALUE);
        return times;
    }

    /**
     * What was seen.
     *
     * @param firstTokens seconds to the first token of each prompt
     * @param gaps of the sequences that decode: seconds since the first prompt came, and seconds since the token before
     * @param prompts seconds since the first prompt came at which something of a prompt had been computed, and how many
     *     tokens, in whole blocks
     * @param seconds how long it took
     */
    record Load(List<Double> firstTokens, List<double[]> gaps, List<double[]> prompts, double seconds) {
        /** {@return the median time per token of those that decode, in seconds} */
        double tpot() {
            return gap(MEDIAN);
        }

        double tpotP99() {
            return gap(P99);
        }

        /** {@return the median time to the first token of a prompt, in seconds} */
        double ttft() {
            return quantile(firstTokens, MEDIAN);
        }

        private double gap(double quantile) {
            return quantile(gaps.stream().map(gap -> gap[1]).toList(), quantile);
        }

        double tokensPerSecond() {
            return gaps.size() / seconds;
        }
    }

    static double quantile(List<Double> values, double quantile) {
        double[] sorted =
                values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        return sorted[(int) Math.min(sorted.length - 1L, Math.round(quantile * (sorted.length - 1)))];
    }

    /** That a listener is told what is kept, which comes first of all. */
    private static final class Told implements KvListener {
        private final CountDownLatch latch = new CountDownLatch(1);

        @Override
        public void stored(long[] hashes, long parent, int tokensPerBlock) {
            // Comes behind what counts.
        }

        @Override
        public void removed(long[] hashes) {
            // Comes behind what counts.
        }

        @Override
        public void cleared() {
            latch.countDown();
        }
    }

    /** When the engine kept blocks of prompts, which it does at the end of the step that computed them. */
    private final class Stored implements KvListener {
        private final Queue<double[]> blocks = new ConcurrentLinkedQueue<>();

        @Override
        public void stored(long[] hashes, long parent, int tokensPerBlock) {
            blocks.add(new double[] {ticker.nanos(), (double) hashes.length * tokensPerBlock});
        }

        @Override
        public void removed(long[] hashes) {
            // What is forgotten was computed all the same.
        }

        @Override
        public void cleared() {
            // See above.
        }

        /** {@return what was kept behind a time; all of it once the next step has begun} */
        List<double[]> since(long from) {
            return blocks.stream()
                    .filter(block -> block[0] > from)
                    .map(block -> new double[] {(block[0] - from) / NANOS, block[1]})
                    .toList();
        }
    }

    /** When each chunk of one call came. */
    private final class Times implements GenerationSink {
        private final long start = ticker.nanos();
        private final CountDownLatch first = new CountDownLatch(1);
        private final CountDownLatch end = new CountDownLatch(1);
        private long[] times = new long[DrawnModel.CONTEXT];
        private int count;
        private volatile @Nullable LlmException failure;
        private Generation generation = Generation.ENDED;

        @Override
        public void accepted(ResponseInfo info) {
            // The first token is what counts.
        }

        @Override
        public void alive() {
            // In process there are no keep-alives.
        }

        @Override
        public synchronized void chunk(CompletionChunk chunk) {
            if (count == times.length) {
                times = Arrays.copyOf(times, 2 * count);
            }
            times[count++] = ticker.nanos();
            first.countDown();
        }

        @Override
        public void completed() {
            over();
        }

        @Override
        public void failed(LlmException cause) {
            failure = cause;
            over();
        }

        @Override
        public void cancelled() {
            over();
        }

        private void over() {
            end.countDown();
            first.countDown();
        }

        void await() {
            awaitWell(end);
        }

        void awaitFirst() {
            awaitWell(first);
        }

        private void awaitWell(CountDownLatch latch) {
            EngineRun.await(latch);
            LlmException cause = failure;
            if (cause != null) {
                throw new Failure(cause.message(), cause);
            }
        }

        boolean isDone() {
            return end.getCount() == 0;
        }

        void cancel() {
            generation.cancel();
            await();
        }

        synchronized double toFirst() {
            return (times[0] - start) / NANOS;
        }

        synchronized List<double[]> gaps(long from, long to) {
            List<double[]> gaps = new ArrayList<>();
            for (int i = 1; i < count; i++) {
                if (times[i] > from && times[i] <= to) {
                    gaps.add(new double[] {(times[i] - from) / NANOS, (times[i] - times[i - 1]) / NANOS});
                }
            }
            return gaps;
        }
    }
}
