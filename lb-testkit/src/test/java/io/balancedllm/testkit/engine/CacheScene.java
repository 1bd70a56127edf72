/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.cache.CacheOptions;
import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Usage;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;

/** One scripted endpoint behind two balancers, one that reuses equal requests only and one with a scripted cache, too. */
abstract class CacheScene {
    static final CompletionRequest ASKED = CompletionRequest.builder("m")
            .user("Why is the sky blue?")
            .temperature(0)
            .build();

    final OneThread world = new OneThread();
    final RecordingListener listener = new RecordingListener();
    final ScriptedBackend backend = new ScriptedBackend();
    final ScriptedCache alike = new ScriptedCache();
    final BalancedLlm exact = balancer(CacheOptions.DEFAULT);
    final BalancedLlm semantic = balancer(CacheOptions.of(alike));

    private BalancedLlm balancer(CacheOptions options) {
        return world.balancer()
                .endpoint("a", backend)
                .cache(options)
                .listener(listener)
                .build();
    }

    @AfterEach
    void nothingIsLeft() {
        world.settle();
        listener.assertSerialGrammar();
        assertThat(world.timers.pending()).isEmpty();
        for (BalancedLlm llm : List.of(exact, semantic)) {
            assertThat(llm.pool().endpoints())
                    .extracting(EndpointStatus::inFlight)
                    .allMatch(count -> count == 0);
            assertThat(llm.statistics().running()).isZero();
            llm.close();
        }
        assertThat(alike.closes).isEqualTo(1);
    }

    CompletableFuture<Completion> call(BalancedLlm llm) {
        CompletableFuture<Completion> future = llm.completeAsync(ASKED);
        world.settle();
        return future;
    }

    static Completion answerOf(CompletableFuture<Completion> future) {
        assertThat(future).isCompleted();
        return future.join();
    }

    static void ignored(CompletableFuture<Completion> future) {
        assertThat(future).isNotNull();
    }

    static void answer(ScriptedAttempt attempt) {
        attempt.accept()
                .chunk("Because ")
                .chunk("of Rayleigh.")
                .finish(FinishReason.STOP)
                .chunk(new CompletionChunk.UsageOnly(Usage.builder(7, 2).build()))
                .complete();
    }

    Completion answered(BalancedLlm llm) {
        CompletableFuture<Completion> future = call(llm);
        answer(backend.takeAttempt());
        world.settle();
        return answerOf(future);
    }

    static CacheOutcome outcome(Completion answer) {
        return answer.decision().orElseThrow().cache();
    }

    static boolean isCached(Completion answer) {
        return answer.usage().orElseThrow().extra().containsKey(StoredAnswer.CACHED_FIELD);
    }
}
