/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.event.CallEnd.Outcome;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class StatisticsRecorderTest {
    private static final long NONE = -1;

    private final AtomicLong now = new AtomicLong(Long.MAX_VALUE - TimeUnit.SECONDS.toNanos(5));
    private final StatisticsRecorder recorder = new StatisticsRecorder(now::get);

    private static long millis(long millis) {
        return TimeUnit.MILLISECONDS.toNanos(millis);
    }

    private void pass(Duration time) {
        now.addAndGet(time.toNanos());
    }

    @Test
    void aRecorderThatSawNothingHasNothingToTell() {
        LlmStatistics statistics = recorder.snapshot();

        assertThat(statistics.calls()).isZero();
        assertThat(statistics.running()).isZero();
        assertThat(statistics.failures()).isEmpty();
        assertThat(statistics.timeToFirstToken()).isEqualTo(LatencyStatistics.EMPTY);
        assertThat(statistics.endpoints()).isEmpty();
        assertThat(statistics).hasToString("""
                0 calls, 0 completed, 0 failed, 0 cancelled, 0 running; 0 attempts, 0 of them retries
                  TTFT: total none; recent none
                  duration: total none; recent none
                  waiting: total none; recent none""");
    }

    @Test
    void callsCountByTheWayTheyEndAndFailuresByReason() {
        for (int i = 0; i < 7; i++) {
            recorder.callStarted();
        }
        recorder.callEnded(Outcome.COMPLETED, null, millis(100), millis(900));
        recorder.callEnded(Outcome.COMPLETED, null, millis(100), millis(900));
        recorder.callEnded(Outcome.FAILED, Reason.TIMEOUT, NONE, millis(5));
        recorder.callEnded(Outcome.FAILED, Reason.TIMEOUT, NONE, millis(5));
        recorder.callEnded(Outcome.FAILED, Reason.TRUNCATED, millis(100), millis(5));
        recorder.callEnded(Outcome.CANCELLED, Reason.CANCELLED, millis(100), millis(5));

        LlmStatistics statistics = recorder.snapshot();
        assertThat(statistics.calls()).isEqualTo(7);
        assertThat(statistics.completed()).isEqualTo(2);
        assertThat(statistics.failed()).isEqualTo(3);
        assertThat(statistics.cancelled()).isEqualTo(1);
        assertThat(statistics.running()).isEqualTo(1);
        assertThat(statistics.failures()).containsExactly(entry(Reason.TRUNCATED, 1L), entry(Reason.TIMEOUT, 2L));
    }

    @Test
    void aFailureWithoutReasonIsADefectOfWhoeverReportedIt() {
        recorder.callEnded(Outcome.FAILED, null, NONE, NONE);

        assertThat(recorder.snapshot().failures()).containsExactly(entry(Reason.INTERNAL_ERROR, 1L));
    }

    @Test
    void everyFirstTokenIsMeasuredButOnlyTheDurationOfCallsThatCompleted() {
        recorder.callEnded(Outcome.COMPLETED, null, millis(100), millis(900));
        recorder.callEnded(Outcome.CANCELLED, null, millis(300), millis(500));
        recorder.callEnded(Outcome.FAILED, Reason.TRUNCATED, millis(200), millis(500));
        recorder.callEnded(Outcome.FAILED, Reason.UNAVAILABLE, NONE, millis(1));

        LlmStatistics statistics = recorder.snapshot();
        assertThat(statistics.timeToFirstToken().total().count()).isEqualTo(3);
        assertThat(statistics.timeToFirstToken().total().p50())
                .isBetween(Duration.ofMillis(200), Duration.ofMillis(202));
        assertThat(statistics.duration().total().count()).isEqualTo(1);
        assertThat(statistics.duration().total().max()).isBetween(Duration.ofMillis(900), Duration.ofMillis(909));
    }

    @Test
    void quantilesAreAtMostOnePercentTooHigh() {
        for (int i = 1; i <= 1000; i++) {
            recorder.waited(millis(i));
        }

        LatencySummary waiting = recorder.snapshot().waiting().total();
        assertThat(waiting.count()).isEqualTo(1000);
        assertThat(waiting.p50()).isBetween(Duration.ofMillis(500), Duration.ofMillis(505));
        assertThat(waiting.p90()).isBetween(Duration.ofMillis(900), Duration.ofMillis(909));
        assertThat(waiting.p99()).isBetween(Duration.ofMillis(990), Duration.ofMillis(1000));
        assertThat(waiting.max()).isBetween(Duration.ofMillis(1000), Duration.ofMillis(1010));
        assertThat(waiting.mean()).isBetween(Duration.ofMillis(495), Duration.ofMillis(506));
    }

    @Test
    void microsecondsAreMeasuredAndNothingCountsAsLongerThanAnHour() {
        recorder.waited(0);
        recorder.waited(7_900);
        recorder.waited(Long.MAX_VALUE);

        LatencySummary waiting = recorder.snapshot().waiting().total();
        assertThat(waiting.p50()).isEqualTo(Duration.ofNanos(7_000));
        assertThat(waiting.max()).isBetween(Duration.ofHours(1), Duration.ofSeconds(3_636));
    }

    @Test
    void aNegativeTimeSaysThatThereWasNone() {
        recorder.waited(NONE);

        assertThat(recorder.snapshot().waiting()).isEqualTo(LatencyStatistics.EMPTY);
    }

    @Test
    void recentIsTheRunningWindowAndTheTwoBeforeIt() {
        recorder.waited(millis(10));
        pass(Duration.ofSeconds(10));
        recorder.waited(millis(20));
        pass(Duration.ofSeconds(10));
        recorder.waited(millis(30));

        assertThat(recorder.snapshot().waiting().recent().count()).isEqualTo(3);

        pass(Duration.ofNanos(9_999_999_999L));
        assertThat(recorder.snapshot().waiting().recent().count()).isEqualTo(3);

        pass(Duration.ofNanos(1));
        LatencySummary withoutTheFirst = recorder.snapshot().waiting().recent();
        assertThat(withoutTheFirst.count()).isEqualTo(2);
        assertThat(withoutTheFirst.p50()).isBetween(Duration.ofMillis(20), Duration.ofNanos(20_200_000));
    }

    @Test
    void aWindowThatIsUsedAgainForgetsWhatItHeld() {
        recorder.waited(millis(10));
        pass(Duration.ofSeconds(30));
        recorder.waited(millis(20));

        LatencyStatistics waiting = recorder.snapshot().waiting();
        assertThat(waiting.recent().count()).isEqualTo(1);
        assertThat(waiting.total().count()).isEqualTo(2);
    }

    @Test
    void afterALongSilenceNothingIsRecentAndTheTotalStays() {
        recorder.waited(millis(10));
        pass(Duration.ofDays(2));

        LatencyStatistics waiting = recorder.snapshot().waiting();
        assertThat(waiting.recent()).isEqualTo(LatencySummary.EMPTY);
        assertThat(waiting.total().count()).isEqualTo(1);
    }

    @Test
    void attemptsCountAtTheirEndpointAndInTheTotals() {
        EndpointRecorder first = recorder.endpointAdded("gpu-1");
        EndpointRecorder second = recorder.endpointAdded("gpu-2");
        first.attemptStarted(1);
        first.attemptEnded(AttemptSummary.Outcome.FAILED, Reason.OVERLOADED, NONE, NONE);
        second.attemptStarted(2);
        second.attemptEnded(AttemptSummary.Outcome.COMPLETED, null, millis(50), millis(8));
        second.attemptStarted(1);
        second.attemptEnded(AttemptSummary.Outcome.CANCELLED, null, millis(50), NONE);
        second.attemptStarted(1);

        LlmStatistics statistics = recorder.snapshot();
        assertThat(statistics.attempts()).isEqualTo(4);
        assertThat(statistics.retries()).isEqualTo(1);
        assertThat(statistics.endpoints()).extracting(EndpointStatistics::id).containsExactly("gpu-1", "gpu-2");
        assertThat(statistics.endpoint("gpu-1").orElseThrow())
                .hasToString("gpu-1: 1 attempts, 0 completed, 1 failed (OVERLOADED 1), 0 cancelled, 0 running;"
                        + " TTFT none; TPOT none");
        EndpointStatistics ofSecond = statistics.endpoint("gpu-2").orElseThrow();
        assertThat(ofSecond.attempts()).isEqualTo(3);
        assertThat(ofSecond.completed()).isEqualTo(1);
        assertThat(ofSecond.cancelled()).isEqualTo(1);
        assertThat(ofSecond.running()).isEqualTo(1);
        assertThat(ofSecond.timeToFirstToken().total().count()).isEqualTo(2);
        assertThat(ofSecond.timePerOutputToken().total().p99())
                .isBetween(Duration.ofMillis(8), Duration.ofNanos(8_080_000));
    }

    @Test
    void anEndpointThatLeftIsForgottenButItsAttemptsStayInTheTotals() {
        EndpointRecorder endpoint = recorder.endpointAdded("gpu-1");
        endpoint.attemptStarted(1);
        recorder.endpointRemoved(endpoint);
        endpoint.attemptEnded(AttemptSummary.Outcome.COMPLETED, null, millis(50), millis(8));

        LlmStatistics statistics = recorder.snapshot();
        assertThat(statistics.endpoints()).isEmpty();
        assertThat(statistics.attempts()).isEqualTo(1);
    }

    @Test
    void aLateAttemptNeverCountsForASuccessorOfTheSameName() {
        EndpointRecorder before = recorder.endpointAdded("gpu-1");
        before.attemptStarted(1);
        EndpointRecorder after = recorder.endpointAdded("gpu-1");
        recorder.endpointRemoved(before);
        before.attemptEnded(AttemptSummary.Outcome.COMPLETED, null, millis(50), millis(8));
        after.attemptStarted(1);

        EndpointStatistics successor = recorder.snapshot().endpoint("gpu-1").orElseThrow();
        assertThat(successor.attempts()).isEqualTo(1);
        assertThat(successor.completed()).isZero();
        assertThat(successor.running()).isEqualTo(1);
    }

    @Test
    void aSnapshotDoesNotChangeAndCannotBeChanged() {
        recorder.callEnded(Outcome.FAILED, Reason.TIMEOUT, NONE, NONE);
        LlmStatistics before = recorder.snapshot();
        recorder.callEnded(Outcome.FAILED, Reason.TIMEOUT, NONE, NONE);
        recorder.endpointAdded("gpu-1");

        assertThat(before.failures()).containsExactly(entry(Reason.TIMEOUT, 1L));
        assertThat(before.endpoints()).isEmpty();
        assertThatThrownBy(() -> before.failures().clear()).isInstanceOf(UnsupportedOperationException.class);
        assertThatThrownBy(() -> before.endpoints().clear()).isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void theTextFormCanBeRead() {
        EndpointRecorder endpoint = recorder.endpointAdded("gpu-1");
        recorder.callStarted();
        endpoint.attemptStarted(1);
        endpoint.attemptEnded(AttemptSummary.Outcome.COMPLETED, null, millis(64), 1_000);
        recorder.callEnded(Outcome.COMPLETED, null, millis(64), millis(64));

        assertThat(recorder.snapshot()).hasToString("""
                1 calls, 1 completed, 0 failed, 0 cancelled, 0 running; 1 attempts, 0 of them retries
                  TTFT: total n=1 mean=64 ms p50=64 ms p90=64 ms p99=64 ms max=64 ms; \
                recent n=1 mean=64 ms p50=64 ms p90=64 ms p99=64 ms max=64 ms
                  duration: total n=1 mean=64 ms p50=64 ms p90=64 ms p99=64 ms max=64 ms; \
                recent n=1 mean=64 ms p50=64 ms p90=64 ms p99=64 ms max=64 ms
                  waiting: total none; recent none
                  gpu-1: 1 attempts, 1 completed, 0 failed, 0 cancelled, 0 running; \
                TTFT n=1 mean=64 ms p50=64 ms p90=64 ms p99=64 ms max=64 ms; \
                TPOT n=1 mean=0.00 ms p50=0.00 ms p90=0.00 ms p99=0.00 ms max=0.00 ms""");
    }

    @Test
    void nothingIsLostWhenThreadsRecordAtTheSameTimeAndNoEndIsSeenWithoutItsStart() throws Exception {
        int threads = 3;
        int callsOfEach = 5_000;
        EndpointRecorder endpoint = recorder.endpointAdded("gpu-1");
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            CountDownLatch ready = new CountDownLatch(threads);
            Future<?>[] writers = new Future<?>[threads];
            for (int t = 0; t < threads; t++) {
                writers[t] = executor.submit(() -> {
                    ready.countDown();
                    ready.await();
                    for (int i = 0; i < callsOfEach; i++) {
                        recorder.callStarted();
                        endpoint.attemptStarted(1);
                        endpoint.attemptEnded(AttemptSummary.Outcome.COMPLETED, null, i * 1_000L, 1_000);
                        recorder.callEnded(Outcome.COMPLETED, null, i * 1_000L, i * 1_000L);
                    }
                    return null;
                });
            }
            ready.await();
            for (int i = 0; i < 100; i++) {
                LlmStatistics statistics = recorder.snapshot();
                assertThat(statistics.running()).isBetween(0L, (long) threads * callsOfEach);
                assertThat(statistics.endpoints().get(0).running()).isNotNegative();
            }
            for (Future<?> writer : writers) {
                writer.get(30, TimeUnit.SECONDS);
            }
        } finally {
            executor.shutdownNow();
        }

        LlmStatistics statistics = recorder.snapshot();
        assertThat(statistics.completed()).isEqualTo((long) threads * callsOfEach);
        assertThat(statistics.duration().total().count()).isEqualTo((long) threads * callsOfEach);
        assertThat(statistics.endpoints().get(0).timeToFirstToken().total().count())
                .isEqualTo((long) threads * callsOfEach);
    }
}
