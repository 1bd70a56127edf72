/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.bench.Jmh.Scores;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;

/** What hits, lookups and what is kept for them cost. */
@Command(
        name = "cache",
        description = "Hits, lookups by meaning, calls that share one generation, and the memory of an index.",
        mixinStandardHelpOptions = true)
public final class CacheCommand extends JmhCommand {
    @Override
    List<Comparison> measure(Jmh jmh) {
        Scores scores = jmh.run(
                CacheBenchmark.class,
                1,
                "exactHit",
                "exactHitStreamed",
                "lookUpTen",
                "multiplyTen",
                "lookUpHundred",
                "multiplyHundred",
                "store");
        double two = jmh.run(CacheBenchmark.class, 2, "lookUpTen", Map.of()).micros();
        double exact = scores.of("exactHit").micros();
        return List.of(
                new Comparison(
                        "exact hit, 100 words",
                        "us",
                        exact,
                        "read as a stream",
                        scores.of("exactHitStreamed").micros()),
                new Comparison(
                        "lookup among 10,000",
                        "us",
                        scores.of("lookUpTen").micros(),
                        "multiplying out",
                        scores.of("multiplyTen").micros()),
                new Comparison(
                        "lookup among 100,000",
                        "us",
                        scores.of("lookUpHundred").micros(),
                        "multiplying out",
                        scores.of("multiplyHundred").micros()),
                new Comparison(
                        "the same, two at a time",
                        "us",
                        two,
                        "one at a time",
                        scores.of("lookUpTen").micros()),
                new Comparison("store", "us", scores.of("store").micros(), "exact hit", exact),
                HitsByMeaning.measure(),
                Followers.measure(),
                IndexMemory.measure());
    }
}
