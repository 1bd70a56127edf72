/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class WaitingLineTest {
    private final EngineRoom room = Rooms.room(Rooms.first());
    private final WaitingLine line = new WaitingLine(2, () -> 0);
    private final Call first = Rooms.call(room);
    private final Call second = Rooms.call(room);
    private final Call third = Rooms.call(room);

    @Test
    void callsStandInTheOrderTheyCame() {
        line.add(second);
        line.add(first);

        assertThat(line.calls()).containsExactly(second, first);
        assertThat(line.size()).isEqualTo(2);
        assertThat(line.isEmpty()).isFalse();
    }

    @Test
    void aFullLineRefuses() {
        line.add(first);
        line.add(second);

        assertThat(line.add(third)).isFalse();
        assertThat(line.calls()).containsExactly(first, second);
    }

    @Test
    void whoLeavesMakesRoomAndLeavesOnce() {
        line.add(first);
        line.add(second);

        assertThat(line.remove(first)).isTrue();
        assertThat(line.remove(first)).isFalse();
        assertThat(line.add(third)).isTrue();
        assertThat(line.calls()).containsExactly(second, third);
    }

    @Test
    void aLineWithoutPlacesIsAlwaysEmpty() {
        WaitingLine none = new WaitingLine(0, () -> 0);

        assertThat(none.add(first)).isFalse();
        assertThat(none.isEmpty()).isTrue();
        assertThat(none.calls()).isEmpty();
    }
}
