/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.metrics.CacheStatistics;
import io.balancedllm.testkit.ScriptedAttempt;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Equal calls at the same time, which share one generation. */
@Timeout(60)
class JoinedCallsTest extends CacheScene {
    @Test
    @DisplayName("E4: 64 callers of one prompt make exactly one generation, and all get its answer")
    void equalCallsAtTheSameTimeShareOneGeneration() {
        List<CompletableFuture<Completion>> futures =
                IntStream.range(0, 64).mapToObj(i -> call(exact)).toList();
        ScriptedAttempt attempt = backend.takeAttempt();
        answer(attempt);
        world.settle();

        assertThat(backend.started()).isEqualTo(1);
        assertThat(futures)
                .allSatisfy(future -> assertThat(answerOf(future).text()).isEqualTo("Because of Rayleigh."));
        assertThat(futures.stream().map(future -> outcome(answerOf(future))).distinct())
                .containsExactly(new CacheOutcome.Miss(), new CacheOutcome.Joined());
        assertThat(futures.stream().filter(future -> isCached(answerOf(future))))
                .hasSize(63);
        assertThat(answerOf(futures.get(63)).decision().orElseThrow().endpoint())
                .isEqualTo("a");
        assertThat(exact.statistics().cache()).isEqualTo(new CacheStatistics(0, 0, 63, 1, 0, 0));
        assertThat(exact.statistics().completed()).isEqualTo(64);
    }

    @Test
    void aFollowerReadsWhatWasSaidAndThenFollowsTheStreamAsItGrows() {
        CompletionStream leader = exact.stream(ASKED);
        world.settle();
        ScriptedAttempt attempt = backend.takeAttempt().accept().chunk("Because ");
        CompletionStream follower = exact.stream(ASKED);
        world.settle();

        assertThat(follower.iterator().next().text()).isEqualTo("Because ");
        attempt.chunk("of Rayleigh.");
        assertThat(follower.iterator().next().text()).isEqualTo("of Rayleigh.");
        assertThat(leader.iterator().next().text()).isEqualTo("Because ");

        attempt.finish(FinishReason.STOP).complete();
        assertThat(leader.completion().text()).isEqualTo("Because of Rayleigh.");
        assertThat(follower.completion().text()).isEqualTo("Because of Rayleigh.");
    }

    @Test
    void aCancelledLeaderEndsAtOnceAndItsGenerationGoesOnForTheFollowers() {
        CompletableFuture<Completion> leader = call(exact);
        CompletableFuture<Completion> follower = call(exact);
        ScriptedAttempt attempt = backend.takeAttempt().accept().chunk("Because ");

        leader.cancel(true);
        world.settle();
        assertThat(attempt.isCancelAsked()).isFalse();
        assertThat(exact.statistics().cancelled()).isEqualTo(1);
        assertThat(listener.ends).isEmpty(); // its attempt runs still, and nothing may be told after the end

        attempt.chunk("of Rayleigh.").finish(FinishReason.STOP).complete();
        world.settle();
        assertThat(answerOf(follower).text()).isEqualTo("Because of Rayleigh.");
        assertThat(listener.stories()).containsExactlyInAnyOrder("SACFEX", "SX");
    }

    @Test
    void theGenerationIsCancelledWithItsLastCaller() {
        CompletableFuture<Completion> leader = call(exact);
        CompletableFuture<Completion> follower = call(exact);
        ScriptedAttempt attempt = backend.takeAttempt().accept();

        leader.cancel(true);
        follower.cancel(true);
        world.settle();

        assertThat(attempt.isCancelAsked()).isTrue();
        attempt.cancelled();
        assertThat(exact.pool().endpoints().get(0).inFlight()).isZero();
    }

    @Test
    void aLeaderThatFailsBeforeTheFirstTokenIsFollowedByOneFollower() {
        CompletableFuture<Completion> leader = call(exact);
        CompletableFuture<Completion> second = call(exact);
        CompletableFuture<Completion> third = call(exact);

        backend.takeAttempt().fail(Reason.REJECTED);
        world.settle();
        answer(backend.takeAttempt());
        world.settle();

        assertThat(failureOf(leader).reason()).isEqualTo(Reason.REJECTED);
        assertThat(outcome(answerOf(second))).isEqualTo(new CacheOutcome.Miss());
        assertThat(outcome(answerOf(third))).isEqualTo(new CacheOutcome.Joined());
        assertThat(backend.started()).isEqualTo(2);
    }

    @Test
    void whatIsWrongWithTheRequestFailsAllAtOnce() {
        CompletableFuture<Completion> leader = call(exact);
        CompletableFuture<Completion> follower = call(exact);

        backend.takeAttempt().fail(Reason.INVALID_REQUEST);
        world.settle();

        assertThat(failureOf(leader).reason()).isEqualTo(Reason.INVALID_REQUEST);
        assertThat(failureOf(follower).reason()).isEqualTo(Reason.INVALID_REQUEST);
        assertThat(failureOf(leader).attempts()).hasSize(1);
        assertThat(backend.started()).isEqualTo(1);
    }

    @Test
    void aGenerationOutlivesTheDeadlineOfItsLeaderAndEndsWithTheLatest() {
        CompletableFuture<Completion> leader = exact.with(
                        CallOptions.builder().timeout(Duration.ofSeconds(1)).build())
                .completeAsync(ASKED);
        CompletableFuture<Completion> follower = exact.with(
                        CallOptions.builder().timeout(Duration.ofSeconds(5)).build())
                .completeAsync(ASKED);
        world.settle();
        ScriptedAttempt attempt = backend.takeAttempt();

        world.pass(Duration.ofSeconds(2));
        assertThat(failureOf(leader).reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
        assertThat(attempt.isCancelAsked()).isFalse();

        world.pass(Duration.ofSeconds(3));
        assertThat(failureOf(follower).reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
        assertThat(attempt.isCancelAsked()).isTrue();
        attempt.cancelled();
    }

    @Test
    void aReaderThatStopsReadingIsGivenUpAndTheOthersGoOn() {
        CompletionStream stuck = exact.stream(ASKED);
        CompletableFuture<Completion> good = call(exact);
        ScriptedAttempt attempt = backend.takeAttempt().accept();
        for (int i = 0; i < 100; i++) {
            attempt.chunk(i + " ");
        }
        for (int i = 0; i < 6; i++) {
            attempt.alive();
            world.pass(Duration.ofSeconds(10));
        }
        attempt.finish(FinishReason.STOP).complete();
        world.settle();

        assertThat(answerOf(good).text()).startsWith("0 1 2").endsWith("99 ");
        assertThat(stuck.decision()).isPresent();
        assertThat(exact.statistics().failures()).containsEntry(Reason.READER_STALLED, 1L);
    }
}
