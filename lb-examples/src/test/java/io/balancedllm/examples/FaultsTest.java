/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.OS;

/** The bench of faults, over processes of their own, with signals. */
@Timeout(300)
class FaultsTest {
    private static final int REQUESTS = 40;

    /** {@return the cells of the one row of a scenario} */
    private static List<String> cellsOf(String scenario) {
        CommandLineFixture run = CommandLineFixture.run(
                "faults", "--system", "ours", "--scenario", scenario, "--requests", Integer.toString(REQUESTS));
        assertThat(run.code()).as(run.err()).isZero();
        String[] lines = run.out().split("\\R", -1);
        assertThat(lines[0].split("\\s+"))
                .containsSequence("requests", "lost", "cut", "truncated_as_success", "duplicated", "worst_added_ms");
        List<String> cells = Arrays.asList(lines[1].split("\\s+", -1));
        assertThat(cells.subList(0, 2)).containsExactly(scenario, "ours");
        assertThat(cells.get(3)).as("lost").isEqualTo("0");
        assertThat(cells.get(5)).as("truncated as success").isEqualTo("0");
        assertThat(cells.get(6)).as("duplicated").isEqualTo("0");
        return cells;
    }

    @Test
    @DisplayName("C17: of the requests that a frozen process holds none is lost that has handed over nothing")
    void aFrozenWorkerLosesNoRequest() {
        assumeFalse(OS.WINDOWS.isCurrentOs(), "there is no SIGSTOP");
        assertThat(cellsOf("frozen").get(2)).isEqualTo(Integer.toString(REQUESTS));
    }

    @Test
    @DisplayName("B1, B9: a process that is killed cuts streams that have begun, and nothing else")
    void aKilledWorkerLosesNoRequest() {
        assertThat(Integer.parseInt(cellsOf("killed").get(4))).as("cut").isLessThan(REQUESTS / 4);
    }

    @Test
    void aWorkerThatRefusesLosesNoRequest() {
        assertThat(cellsOf("refuses").get(4)).as("cut").isIn("0", "1", "2");
    }

    @Test
    @DisplayName("C19: a request that breaks every engine costs the others nothing")
    void aPoisonRequestHarmsNoOther() {
        assertThat(cellsOf("poison-request").get(2)).as("the good ones").isEqualTo(Integer.toString(REQUESTS * 9 / 10));
    }
}
