/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.endpoint.HealthState;
import io.balancedllm.health.Transitions.Signal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** {@code docs/reliability.md} has the states and the transitions of the code, no more and no less. */
class TransitionsDocumentTest {
    private static final String AS_BEFORE = "as before";

    @Test
    void theTableOfTransitionsIsThatOfTheCode() throws IOException {
        Set<String> documented = new TreeSet<>();
        Set<String> signals = Arrays.stream(Signal.values()).map(Signal::name).collect(Collectors.toSet());
        for (List<String> row : rows()) {
            if (signals.contains(row.get(0))) {
                for (String from : row.get(1).split(", ", -1)) {
                    documented.add(row.get(0) + ": " + from + " -> " + row.get(2));
                }
            }
        }

        Set<String> coded = new TreeSet<>();
        for (Signal signal : Signal.values()) {
            for (HealthState from : HealthState.values()) {
                if (Transitions.leads(from, signal)) {
                    HealthState to = Transitions.target(from, signal);
                    coded.add(signal + ": " + from + " -> " + (to == null ? AS_BEFORE : to.name()));
                }
            }
        }
        assertThat(documented).isEqualTo(coded);
    }

    @Test
    void everyStateIsExplainedOnce() throws IOException {
        List<String> names =
                Arrays.stream(HealthState.values()).map(HealthState::name).toList();

        assertThat(rows().stream().map(row -> row.get(0)).filter(names::contains))
                .containsExactlyInAnyOrderElementsOf(names);
    }

    @Test
    void everyStateButTheFirstIsReachedAndEveryStateIsLeft() {
        Set<HealthState> reached = new TreeSet<>();
        Set<HealthState> left = new TreeSet<>();
        for (Signal signal : Signal.values()) {
            for (HealthState from : HealthState.values()) {
                if (Transitions.leads(from, signal)) {
                    left.add(from);
                    HealthState to = Transitions.target(from, signal);
                    if (to != null) {
                        reached.add(to);
                    }
                }
            }
        }
        assertThat(left).containsExactly(HealthState.values());
        reached.add(HealthState.UNKNOWN);
        assertThat(reached).containsExactly(HealthState.values());
    }

    private static List<List<String>> rows() throws IOException {
        Path folder = Path.of("").toAbsolutePath();
        while (!Files.exists(folder.resolve("docs/reliability.md"))) {
            folder = Objects.requireNonNull(folder.getParent(), "no parent is the checkout");
        }
        List<List<String>> rows = new ArrayList<>();
        for (String line : Files.readAllLines(folder.resolve("docs/reliability.md"))) {
            if (line.startsWith("| `")) {
                rows.add(Arrays.stream(line.substring(1).split("\\|", -1))
                        .map(cell -> cell.strip().replace("`", ""))
                        .toList());
            }
        }
        return rows;
    }
}
