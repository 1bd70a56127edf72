/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.time.Scheduler.Timer;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class VirtualTimeTest {
    private final VirtualTime time = new VirtualTime();
    private final List<String> ran = new ArrayList<>();

    private Timer timer(String name, long delay) {
        return time.schedule(name, delay, () -> ran.add(name + "@" + time.nanos()));
    }

    @Test
    void timersRunAtTheirDueTimesAndEqualOnesInTheOrderTheyWereSet() {
        timer("late", 20);
        timer("early", 10);
        timer("alsoLate", 20);
        timer("overdue", -5);
        time.run();
        assertThat(ran).containsExactly("overdue@0", "early@10", "late@20", "alsoLate@20");
    }

    @Test
    void tasksRunAtThePresentInstantBeforeTimePasses() {
        timer("second", 1);
        time.schedule(
                "first",
                0,
                () -> time.execute(() -> {
                    ran.add("task@" + time.nanos());
                    time.execute(() -> ran.add("itsTask@" + time.nanos()));
                }));
        time.run();
        assertThat(ran).containsExactly("task@0", "itsTask@0", "second@1");
    }

    @Test
    void advancingStopsShortOfTimersThatAreDueExactlyThen() {
        timer("before", 9);
        timer("then", 10);
        time.advanceTo(10);
        assertThat(ran).containsExactly("before@9");
        assertThat(time.nanos()).isEqualTo(10);
        time.run();
        assertThat(ran).containsExactly("before@9", "then@10");
    }

    @Test
    void aCancelledTimerNeverRunsAndIsGoneAtOnce() {
        Timer timer = timer("cancelled", 10);
        timer.cancel();
        timer.cancel();
        assertThat(time.pendingTimers()).isZero();
        time.run();
        assertThat(ran).isEmpty();
        assertThat(time.nanos()).isZero();
    }

    @Test
    void cancellingATimerThatHasRunTakesNoOtherAway() {
        Timer first = timer("first", 1);
        timer("second", 2);
        time.advanceTo(2);
        first.cancel();
        time.run();
        assertThat(ran).containsExactly("first@1", "second@2");
    }

    @Test
    void anyMixtureOfSettingAndCancellingKeepsTheOrder() {
        SplittableRandom random = new SplittableRandom(7);
        TreeMap<Long, String> expected = new TreeMap<>();
        List<Long> keys = new ArrayList<>();
        List<Timer> timers = new ArrayList<>();
        for (int i = 0; i < 2_000; i++) {
            long delay = random.nextInt(500);
            keys.add(delay * 10_000 + i);
            timers.add(timer("t" + i, delay));
            expected.put(keys.get(i), "t" + i + "@" + delay);
            if (random.nextInt(3) == 0) {
                int victim = random.nextInt(keys.size());
                timers.get(victim).cancel();
                expected.remove(keys.get(victim));
            }
        }
        assertThat(time.pendingTimers()).isEqualTo(expected.size());
        time.run();
        assertThat(ran).containsExactlyElementsOf(expected.values());
    }

    @Test
    void whatATimerThrowsStopsTimeAndIsThrown() {
        time.schedule("broken", 5, () -> {
            throw new IllegalStateException("broken");
        });
        timer("after", 6);
        assertThatThrownBy(time::run).hasMessage("broken");
        assertThat(time.nanos()).isEqualTo(5);
        time.run();
        assertThat(ran).containsExactly("after@6");
    }

    @Test
    void timeDoesNotGoBack() {
        time.advanceTo(10);
        assertThatThrownBy(() -> time.advanceTo(9)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void closedItDropsItsTimersAndTakesNoMore() {
        timer("dropped", 1);
        time.close();
        timer("refused", 1);
        time.run();
        assertThat(ran).isEmpty();
    }
}
