/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.bench.Jmh.Score;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** What a pick costs, policy by policy. */
@Command(
        name = "picks",
        description =
                "One pick of each policy against the least of an array of counters, and by two threads at a time.",
        mixinStandardHelpOptions = true)
public final class PicksCommand extends JmhCommand {
    private static final String BY_HAND = "least of an array";

    @Option(
            names = "--policy",
            paramLabel = "NAME",
            split = ",",
            description = "Policies to measure, with commas between them.")
    private List<String> policies = List.of(
            "roundRobin",
            "leastConnections",
            "powerOfTwoChoices",
            "leastPendingPromptTokens",
            "leastLoaded",
            "sessionAffinity",
            "prefixAffinity");

    @Option(
            names = "--endpoints",
            paramLabel = "N",
            split = ",",
            description = "Sizes of the pool, with commas between them. Default: 16,1000.")
    private List<Integer> sizes = List.of(16, 1_000);

    @Option(
            names = "--threads",
            paramLabel = "NAME",
            split = ",",
            description = "Policies to measure with two threads, too.")
    private List<String> threaded = List.of("powerOfTwoChoices", "prefixAffinity");

    @Override
    List<Comparison> measure(Jmh jmh) {
        List<Comparison> rows = new ArrayList<>();
        for (int endpoints : sizes) {
            Score byHand = score(jmh, 1, "byHand", "random", endpoints);
            for (String policy : policies) {
                Score pick = score(jmh, 1, "pick", policy, endpoints);
                String what = policy + ", " + endpoints + " endpoints";
                rows.add(new Comparison(what, "ns", pick.nanos(), BY_HAND, byHand.nanos()));
                rows.add(new Comparison(what + ", allocated", "bytes", pick.bytes(), BY_HAND, byHand.bytes()));
                if (endpoints == sizes.get(0) && threaded.contains(policy)) {
                    // Two threads that each need as long as one alone make twice as many picks.
                    Score two = score(jmh, 2, "pick", policy, endpoints);
                    double more = 2 * pick.nanos() / two.nanos();
                    rows.add(new Comparison(what + ", picks of two threads", "of one's", more, "one thread", 1));
                }
            }
        }
        return rows;
    }

    private static Score score(Jmh jmh, int threads, String method, String policy, int endpoints) {
        return jmh.run(
                PicksBenchmark.class,
                threads,
                method,
                Map.of("policy", policy, "endpoints", String.valueOf(endpoints)));
    }
}
