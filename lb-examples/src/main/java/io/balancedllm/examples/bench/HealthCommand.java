/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.bench.Jmh.Score;
import io.balancedllm.examples.bench.Jmh.Scores;
import java.util.List;
import picocli.CommandLine.Command;

/** What a change of an endpoint's health costs in a large pool. */
@Command(
        name = "health",
        description =
                "Calls that change the health of one of 1,000 endpoints twice, against calls that change nothing.",
        mixinStandardHelpOptions = true)
public final class HealthCommand extends JmhCommand {
    @Override
    List<Comparison> measure(Jmh jmh) {
        Scores scores = jmh.run(HealthBenchmark.class, 1, "changing", "unchanging");
        Score changing = scores.of("changing");
        Score unchanging = scores.of("unchanging");
        return List.of(
                new Comparison(
                        "call, two changes of health", "us", changing.micros(), "no change", unchanging.micros()),
                new Comparison("allocated", "bytes", changing.bytes(), "no change", unchanging.bytes()));
    }
}
