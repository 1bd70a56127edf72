/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ArrivalsTest {
    private static final long SECOND = 1_000_000_000L;

    private static Trace at(double... seconds) {
        SimulatedPrompt prompt = new SimulatedPrompt(1, List.of());
        return Trace.of(Arrays.stream(seconds)
                .mapToObj(second -> new TraceRequest(second, prompt, 1))
                .toList());
    }

    @Test
    void withoutARateTimesAreThoseOfTheTrace() {
        assertThat(Arrivals.nanos(at(0, 0, 3, 6), null, null)).containsExactly(0, 0, 3 * SECOND, 6 * SECOND);
    }

    @Test
    void aRateStretchesTheTraceToThatManyRequestsASecond() {
        assertThat(Arrivals.nanos(at(0, 3, 6), 2.0, null)).containsExactly(0, SECOND / 2, SECOND);
    }

    @Test
    void requestsOfOneTimestampAreSpreadUntilTheNextInOrder() {
        long[] arrivals = Arrivals.nanos(at(0, 0, 0, 3, 9, 9), null, 5L);
        assertThat(arrivals).isSorted().doesNotHaveDuplicates();
        assertThat(arrivals[2]).isLessThan(3 * SECOND);
        assertThat(arrivals[3]).isEqualTo(3 * SECOND);
        assertThat(arrivals[4]).isGreaterThan(9 * SECOND);
        assertThat(arrivals[5]).isLessThan(15 * SECOND); // the last group takes the gap before it
    }

    @Test
    void theSpreadIsDecidedByTheSeed() {
        Trace trace = at(0, 0, 0, 3);
        assertThat(Arrivals.nanos(trace, null, 1L)).isEqualTo(Arrivals.nanos(trace, null, 1L));
        assertThat(Arrivals.nanos(trace, null, 1L)).isNotEqualTo(Arrivals.nanos(trace, null, 2L));
    }

    @Test
    void aTraceWithoutDurationHasNoRateToScale() {
        assertThatThrownBy(() -> Simulation.builder(at(0, 0)).rate(1).build()).hasMessageContaining("at once");
        assertThatThrownBy(() -> Simulation.builder(at(0)).rate(1).build()).hasMessageContaining("at once");
        assertThat(Arrivals.nanos(at(0, 0), null, 1L)).containsExactly(0, 0);
    }
}
