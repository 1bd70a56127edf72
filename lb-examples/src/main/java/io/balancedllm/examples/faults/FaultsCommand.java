/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import io.balancedllm.examples.console.Failure;
import io.balancedllm.examples.console.Table;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Does to three worker processes what happens to workers, while requests come at a steady rate, and prints what became of
 * the requests: for this library and, where they are installed, HAProxy and nginx, one after the other.
 */
@Command(
        name = "faults",
        description = "Endpoints that fail, and what becomes of the requests.",
        mixinStandardHelpOptions = true)
public final class FaultsCommand implements Callable<Integer> {
    private static final int WORKERS = 3;
    private static final Duration LIMIT = Duration.ofSeconds(30);
    private static final String OURS = "ours";
    private static final String HAPROXY = "haproxy";
    private static final String NGINX = "nginx";

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = "--system",
            paramLabel = "NAME",
            description =
                    "What to test: ours, haproxy, nginx, or the URL of a balancer that is set up over --worker-ports."
                            + " Repeat it for each. Default: ours, and those of the others that are installed.")
    private List<String> systems = new ArrayList<>();

    @Option(
            names = "--scenario",
            paramLabel = "NAME",
            description = "What to do to the workers; repeat it for each. Default: everything.")
    private List<String> scenarios = new ArrayList<>();

    @Option(
            names = "--requests",
            paramLabel = "N",
            defaultValue = "60",
            description = "Requests of a run, every second one streamed. Default: ${DEFAULT-VALUE}.")
    private int requests;

    @Option(
            names = "--rate",
            paramLabel = "R",
            defaultValue = "10",
            description = "Requests a second. Default: ${DEFAULT-VALUE}.")
    private int rate;

    @Option(
            names = "--runs",
            paramLabel = "N",
            defaultValue = "1",
            description = "Runs of each scenario: requests are summed, worst_added_ms is the median. Default:"
                    + " ${DEFAULT-VALUE}.")
    private int runs;

    @Override
    public Integer call() throws IOException {
        if (requests < 1 || rate < 1 || runs < 1) {
            throw new ParameterException(spec.commandLine(), "--requests, --rate and --runs must be at least 1");
        }
        List<Scenario> chosen = chosen();
        PrintWriter err = spec.commandLine().getErr();
        Table table = new Table(FaultResult.COLUMNS.toArray(String[]::new));
        List<FaultyWorker> workers = new ArrayList<>();
        try {
            for (int i = 0; i < WORKERS; i++) {
                workers.add(new FaultyWorker());
            }
            Map<String, Contender.Maker> contenders = contenders(workers);
            for (Scenario scenario : chosen) {
                for (Map.Entry<String, Contender.Maker> contender : contenders.entrySet()) {
                    if (scenario.isAboutNames() && !contender.getKey().equals(OURS)) {
                        continue;
                    }
                    err.println(scenario.label() + ", " + contender.getKey() + " ...");
                    err.flush();
                    List<FaultResult> results = new ArrayList<>();
                    for (int i = 0; i < runs; i++) {
                        results.add(new FaultRun(scenario, workers, requests, rate)
                                .against(contender.getKey(), contender.getValue()));
                    }
                    table.row(FaultResult.row(scenario.label(), contender.getKey(), results));
                }
            }
        } finally {
            workers.forEach(FaultyWorker::close);
        }
        table.print(spec.commandLine().getOut());
        return ExitCode.OK;
    }

    private List<Scenario> chosen() {
        if (scenarios.isEmpty()) {
            return List.of(Scenario.values());
        }
        Map<String, Scenario> known =
                Arrays.stream(Scenario.values()).collect(Collectors.toMap(Scenario::label, each -> each));
        return scenarios.stream()
                .map(name -> {
                    Scenario found = known.get(name);
                    if (found == null) {
                        throw new ParameterException(
                                spec.commandLine(),
                                "--scenario \"" + name + "\" is unknown: choose of "
                                        + Arrays.stream(Scenario.values())
                                                .map(Scenario::label)
                                                .collect(Collectors.joining(", ")));
                    }
                    return found;
                })
                .toList();
    }

    private Map<String, Contender.Maker> contenders(List<FaultyWorker> workers) {
        List<String> names = systems.isEmpty()
                ? Stream.of(OURS, HAPROXY, NGINX)
                        .filter(name -> name.equals(OURS) || Proxy.program(name).isPresent())
                        .toList()
                : systems;
        Map<String, Contender.Maker> makers = new LinkedHashMap<>();
        for (String name : names) {
            makers.put(name, maker(name, workers));
        }
        return makers;
    }

    private static Contender.Maker maker(String name, List<FaultyWorker> workers) {
        return switch (name) {
            case OURS -> () -> new OwnBalancer(workers, LIMIT);
            case HAPROXY -> () -> proxied(Proxy.haproxy(workers));
            case NGINX -> () -> proxied(Proxy.nginx(workers));
            default -> {
                if (!name.startsWith("http://")) {
                    throw new Failure("--system \"" + name + "\" is neither ours, haproxy, nginx nor a URL", null);
                }
                yield () -> new ProxyClient(name, LIMIT, () -> {});
            }
        };
    }

    private static Contender proxied(Proxy proxy) {
        return new ProxyClient(proxy.url(), LIMIT, proxy);
    }
}
