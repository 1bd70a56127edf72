/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class FakeTimeTest {
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private final ManualScheduler scheduler = new ManualScheduler();
    private final List<String> ran = new ArrayList<>();

    @Test
    void timersRunInOrderOfDueTimeAndThenOfSetting() {
        set("late", 30);
        set("first of two", 20);
        set("second of two", 20);
        set("early", 10);
        assertThat(scheduler.pending()).containsExactly("early", "first of two", "second of two", "late");
        assertThat(scheduler.advance(Duration.ofNanos(29))).isEqualTo(3);
        assertThat(ran).containsExactly("early@10", "first of two@20", "second of two@20");
        assertThat(scheduler.pending()).containsExactly("late");
        assertThat(scheduler.ticker().nanos()).isEqualTo(29);
    }

    @Test
    void timersSetByTimersRunInTheSameAdvanceWhenDue() {
        scheduler.schedule("outer", 10, () -> set("inner", 5));
        scheduler.advance(Duration.ofNanos(15));
        assertThat(ran).containsExactly("inner@15");
    }

    @Test
    void cancelledTimersDoNotRun() {
        Scheduler.Timer timer = scheduler.schedule("cancelled", 10, () -> ran.add("cancelled"));
        set("kept", 10);
        timer.cancel();
        timer.cancel();
        scheduler.advance(Duration.ofNanos(10));
        assertThat(ran).containsExactly("kept@10");
    }

    @Test
    void zeroAndNegativeDelaysRunAtTheNextAdvanceOnly() {
        set("at once", 0);
        set("overdue", -7);
        assertThat(ran).isEmpty();
        scheduler.advance(Duration.ZERO);
        assertThat(ran).containsExactly("at once@0", "overdue@0");
    }

    @Test
    void advanceToNextJumpsToTheSoonestTimer() {
        set("soonest", 1_000);
        set("later", 2_000);
        assertThat(scheduler.advanceToNext()).isTrue();
        assertThat(ran).containsExactly("soonest@1000");
        assertThat(scheduler.advanceToNext()).isTrue();
        assertThat(scheduler.advanceToNext()).isFalse();
    }

    @Test
    void theClockMayOverflowOnTheWay() {
        FakeTicker ticker = new FakeTicker(Long.MAX_VALUE - 5);
        ManualScheduler late = new ManualScheduler(ticker);
        late.schedule("before", 3, () -> ran.add("before"));
        late.schedule("after", 10, () -> ran.add("after"));
        late.schedule("never", Long.MAX_VALUE, () -> ran.add("never"));
        late.advance(Duration.ofNanos(4));
        assertThat(ran).containsExactly("before");
        late.advance(Duration.ofNanos(6));
        assertThat(ran).containsExactly("before", "after");
        assertThat(ticker.nanos()).isEqualTo(Long.MIN_VALUE + 4);
    }

    @Test
    void aClosedSchedulerDropsOldTimersAndTakesNoNewOnes() {
        set("old", 1);
        scheduler.close();
        set("new", 1);
        scheduler.advance(Duration.ofSeconds(1));
        assertThat(ran).isEmpty();
        assertThat(scheduler.pending()).isEmpty();
    }

    @Test
    void awaitTimerWaitsForAnotherThreadToSetIt() throws Exception {
        CompletableFuture<Void> setter =
                CompletableFuture.runAsync(() -> scheduler.schedule("first token", 120, () -> ran.add("rang")));
        scheduler.awaitTimer("first token", PATIENCE);
        scheduler.advance(Duration.ofNanos(120));
        assertThat(ran).containsExactly("rang");
        setter.get(10, TimeUnit.SECONDS);
    }

    @Test
    void awaitTimerSaysWhichTimersThereAreWhenTheOneIsMissing() {
        set("idle", 5);
        assertThatThrownBy(() -> scheduler.awaitTimer("first token", Duration.ofMillis(1)))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("first token")
                .hasMessageContaining("[idle]");
    }

    @Test
    void whatATimerThrowsReachesTheTest() {
        scheduler.schedule("broken", 1, () -> {
            throw new IllegalStateException("broken");
        });
        assertThatThrownBy(() -> scheduler.advance(Duration.ofNanos(1))).hasMessage("broken");
    }

    @Test
    void timeDoesNotGoBack() {
        assertThatThrownBy(() -> scheduler.advance(Duration.ofNanos(-1))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> scheduler.ticker().advance(Duration.ofNanos(-1)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void tasksRunInOrderAndOnlyWhenTold() {
        ManualExecutor executor = new ManualExecutor();
        executor.execute(() -> {
            ran.add("a");
            executor.execute(() -> ran.add("c"));
        });
        executor.execute(() -> ran.add("b"));
        assertThat(ran).isEmpty();
        assertThat(executor.runOne()).isTrue();
        assertThat(executor.pending()).isEqualTo(2);
        assertThat(executor.runAll()).isEqualTo(2);
        assertThat(ran).containsExactly("a", "b", "c");
        assertThat(executor.runOne()).isFalse();
    }

    @Test
    void aSeedFixesTheOrderOfAShuffledExecutor() {
        List<String> order = shuffled(1);
        assertThat(order).containsExactlyInAnyOrderElementsOf(shuffled(2)).isNotEqualTo(shuffled(2));
        assertThat(shuffled(1)).isEqualTo(order);
    }

    private static List<String> shuffled(long seed) {
        ManualExecutor executor = ManualExecutor.shuffled(seed);
        List<String> order = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            String name = "task-" + i;
            executor.execute(() -> order.add(name));
        }
        executor.runAll();
        return order;
    }

    @Test
    void runUntilRunsWhatOtherThreadsHandIn() throws Exception {
        ManualExecutor executor = new ManualExecutor();
        CompletableFuture<Void> other = CompletableFuture.runAsync(() -> {
            for (int i = 0; i < 100; i++) {
                executor.execute(() -> ran.add("task"));
            }
        });
        executor.runUntil(PATIENCE, () -> ran.size() == 100);
        other.get(10, TimeUnit.SECONDS);
        assertThatThrownBy(() -> executor.runUntil(Duration.ofMillis(1), () -> false))
                .isInstanceOf(AssertionError.class);
    }

    private void set(String name, long delayNanos) {
        scheduler.schedule(
                name, delayNanos, () -> ran.add(name + "@" + scheduler.ticker().nanos()));
    }
}
