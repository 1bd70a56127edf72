/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.BalancedLlm;
import io.balancedllm.cache.CacheOptions;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** How much later than the caller that leads the others have the first token of the generation they share. */
final class Followers {
    private static final int CALLERS = 64;
    private static final int WARM_UP = 50;
    private static final int ROUNDS = 100;
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final double PERCENTILE = 0.99;
    private static final double NANOS_PER_MILLI = 1e6;

    private Followers() {}

    static Comparison measure() {
        ScriptedBackend backend = new ScriptedBackend();
        ExecutorService readers = Executors.newFixedThreadPool(CALLERS);
        List<Double> late = new ArrayList<>();
        List<Double> leads = new ArrayList<>();
        try (BalancedLlm llm = BalancedLlm.builder()
                .endpoint("a", backend)
                .healthCheck(HealthCheck.off())
                .cache(CacheOptions.DEFAULT)
                .build()) {
            for (int round = -WARM_UP; round < ROUNDS; round++) {
                double[] after = round(llm, backend, readers, "question " + round);
                if (round >= 0) {
                    leads.add(after[0]);
                    for (int caller = 1; caller < CALLERS; caller++) {
                        late.add(Math.max(0, after[caller] - after[0]));
                    }
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure("interrupted", e);
        } catch (ExecutionException e) {
            throw new Failure("a caller failed: " + e.getCause(), e);
        } finally {
            readers.shutdownNow();
        }
        return new Comparison(
                "first token of " + (CALLERS - 1) + " followers after the leader's, p99",
                "ms",
                percentile(late),
                "the leader's after the engine's, p99",
                percentile(leads));
    }

    /** {@return when each caller had its first token, in milliseconds since the engine sent it; the leader first} */
    private static double[] round(BalancedLlm llm, ScriptedBackend backend, ExecutorService readers, String text)
            throws InterruptedException, ExecutionException {
        CompletionRequest request =
                CompletionRequest.builder("m").user(text).temperature(0).build();
        Ticker ticker = Ticker.system();
        List<CompletionStream> streams = new ArrayList<>();
        List<Future<Long>> firsts = new ArrayList<>();
        for (int caller = 0; caller < CALLERS; caller++) {
            CompletionStream stream = llm.stream(request);
            streams.add(stream);
            firsts.add(readers.submit(() -> {
                for (CompletionChunk chunk : stream) {
                    if (chunk.hasOutput()) {
                        return ticker.nanos();
                    }
                }
                throw new Failure("an answer without a token", null);
            }));
        }
        ScriptedAttempt attempt = backend.takeAttempt(PATIENCE).accept();
        long sent = ticker.nanos();
        attempt.chunk("Because");
        double[] after = new double[CALLERS];
        for (int caller = 0; caller < CALLERS; caller++) {
            after[caller] = (firsts.get(caller).get() - sent) / NANOS_PER_MILLI;
        }
        attempt.finish(FinishReason.STOP).complete();
        streams.forEach(CompletionStream::close);
        return after;
    }

    private static double percentile(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        return sorted[(int) (PERCENTILE * (sorted.length - 1))];
    }
}
