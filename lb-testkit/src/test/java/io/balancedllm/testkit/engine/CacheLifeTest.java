/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.metrics.CacheStatistics;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the reuse of answers does for calls, one step at a time. */
@Timeout(60)
class CacheLifeTest extends CacheScene {
    private static BalancedLlm with(BalancedLlm llm, CacheControl.Builder control) {
        return llm.with(CallOptions.builder().cache(control.build()).build());
    }

    @Test
    @DisplayName("A5, E7: a hit takes no slot of an endpoint, and says that it is one, and how old")
    void theSecondOfTwoEqualCallsIsAnsweredFromTheCache() {
        Completion first = answered(exact);
        world.pass(Duration.ofSeconds(3));

        Completion second = answerOf(call(exact));

        assertThat(outcome(first)).isEqualTo(new CacheOutcome.Miss());
        assertThat(isCached(first)).isFalse();
        assertThat(second.text()).isEqualTo("Because of Rayleigh.");
        assertThat(outcome(second)).isEqualTo(new CacheOutcome.Exact(Duration.ofSeconds(3)));
        assertThat(isCached(second)).isTrue();
        assertThat(second.decision().orElseThrow().attempts()).isEmpty();
        assertThat(backend.started()).isEqualTo(1);
        assertThat(listener.stories()).containsExactlyInAnyOrder("SACFEX", "SX");
        assertThat(exact.statistics().cache()).isEqualTo(new CacheStatistics(1, 0, 0, 1, 0, 0));
        assertThat(exact.statistics().attempts()).isEqualTo(1);
    }

    @Test
    @DisplayName("E8: a hit is replayed as a stream, not as one lump")
    void aHitIsAStreamOfSmallChunks() {
        answered(exact);

        List<CompletionChunk> chunks = new ArrayList<>();
        CompletionStream stream = exact.stream(ASKED);
        world.settle();
        for (CompletionChunk chunk : stream) {
            chunks.add(chunk);
            assertThat(exact.pool().endpoints().get(0).inFlight()).isZero();
        }

        assertThat(chunks).filteredOn(CompletionChunk::hasOutput).hasSizeGreaterThan(2);
        assertThat(stream.completion().text()).isEqualTo("Because of Rayleigh.");
        assertThat(isCached(stream.completion())).isTrue();
        assertThat(stream.decision().orElseThrow().cache()).isInstanceOf(CacheOutcome.Exact.class);
        assertThat(backend.started()).isEqualTo(1);
    }

    @Test
    @DisplayName("E3: cut, failed and tool-calling answers are not stored")
    void onlyWholeAnswersAreStored() {
        ignored(call(exact));
        backend.takeAttempt()
                .accept()
                .chunk("Because")
                .finish(FinishReason.LENGTH)
                .complete();
        world.settle();
        CompletableFuture<Completion> failed = call(exact);
        backend.takeAttempt().accept().fail(Reason.INVALID_REQUEST);
        world.settle();

        assertThat(failed).isCompletedExceptionally();
        assertThat(outcome(answered(exact))).isEqualTo(new CacheOutcome.Miss());
        assertThat(backend.started()).isEqualTo(3);
    }

    @Test
    void aCallMayBypassRefreshOrUseANamespace() {
        answered(exact);

        BalancedLlm bypassing =
                exact.with(CallOptions.builder().cache(CacheControl.BYPASS).build());
        assertThat(outcome(answered(bypassing))).isEqualTo(new CacheOutcome.Bypass("asked to"));
        BalancedLlm other = with(exact, CacheControl.builder().namespace("faq"));
        assertThat(outcome(answered(other))).isEqualTo(new CacheOutcome.Miss());

        CompletableFuture<Completion> refreshed = with(
                        exact, CacheControl.builder().mode(CacheControl.Mode.REFRESH))
                .completeAsync(ASKED);
        world.settle();
        backend.takeAttempt().accept().chunk("Anew.").finish(FinishReason.STOP).complete();
        world.settle();
        assertThat(outcome(answerOf(refreshed))).isEqualTo(new CacheOutcome.Bypass("refresh"));
        assertThat(answerOf(call(exact)).text()).isEqualTo("Anew.");
    }

    @Test
    void aTimeToLiveIsTheCallsOwnAndEverythingCanBeForgotten() {
        answered(with(exact, CacheControl.builder().timeToLive(Duration.ofSeconds(10))));
        assertThat(outcome(answerOf(call(exact)))).isInstanceOf(CacheOutcome.Exact.class);
        world.pass(Duration.ofSeconds(11));
        assertThat(outcome(answered(exact))).isEqualTo(new CacheOutcome.Miss());

        CompletableFuture<Completion> refreshing = with(
                        exact, CacheControl.builder().mode(CacheControl.Mode.REFRESH))
                .completeAsync(ASKED);
        world.settle();
        exact.invalidateCache();
        answer(backend.takeAttempt());
        world.settle();
        assertThat(refreshing).isCompleted();
        assertThat(outcome(answered(exact))).as("asked before, answered after").isEqualTo(new CacheOutcome.Miss());
    }

    @Test
    void aDrawnAnswerIsNotSharedUnlessItIsAskedFor() {
        CompletionRequest warm = ASKED.newBuilder().temperature(1.0).build();
        CompletableFuture<Completion> one = exact.completeAsync(warm);
        CompletableFuture<Completion> two = exact.completeAsync(warm);
        world.settle();
        answer(backend.takeAttempt());
        answer(backend.takeAttempt());
        world.settle();

        assertThat(outcome(answerOf(one))).isEqualTo(new CacheOutcome.Bypass("temperature"));
        assertThat(outcome(answerOf(two))).isEqualTo(new CacheOutcome.Bypass("temperature"));
    }

    @Test
    @DisplayName("E2: another tenant's equal call generates anew")
    void tenantsShareNothing() {
        answered(exact.with(CallOptions.builder().tenant("alice").build()));

        Completion bobs =
                answered(exact.with(CallOptions.builder().tenant("bob").build()));

        assertThat(outcome(bobs)).isEqualTo(new CacheOutcome.Miss());
        assertThat(backend.started()).isEqualTo(2);
    }

    @Test
    void closingWaitsForNobodyWhoHasHisAnswerAndEndsTheCache() {
        answered(exact);
        exact.close();

        assertThat(failureOf(call(exact)).reason()).isEqualTo(Reason.CLOSED);
    }
}
