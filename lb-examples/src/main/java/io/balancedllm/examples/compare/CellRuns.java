/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.compare;

import static io.balancedllm.examples.simulate.ResultFormat.format;

import io.balancedllm.examples.simulate.PolicyNames;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.simulation.Simulation;
import io.balancedllm.testkit.simulation.SimulationResult;
import io.balancedllm.testkit.simulation.Trace;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** Runs policies on cells, on a few threads, and keeps what is done. */
final class CellRuns {
    /** Seeds when nothing else is said. */
    static final int DEFAULT_SEEDS = 5;

    private static final List<String> PUBLISHED = List.of("sglang", "aibrix", "llmd", "dynamo", "lmetric");
    private static final List<String> BOUNDS = List.of("oracle", "pooled");
    private static final String OURS = "prefixAffinity";
    // What an estimate of tokens from bytes is worth at worst.
    private static final double TOKEN_BIAS = 1.3;
    private static final double TOKEN_NOISE = 0.1;
    private static final double NANOS_PER_SECOND = 1e9;

    private final Ticker ticker = Ticker.system();
    private final Path traces;
    private final CellTable table;
    private final int seeds;
    private final long firstSeed;
    private final PrintWriter err;
    private final Map<String, Trace> read = new HashMap<>();

    CellRuns(Path traces, Path file, long firstSeed, int seeds, PrintWriter err) throws IOException {
        this.traces = traces;
        this.table = new CellTable(file);
        this.seeds = seeds;
        this.firstSeed = firstSeed;
        this.err = err;
    }

    /** {@return what is compared when nothing else is said} */
    static List<String> standard() {
        List<String> names = new ArrayList<>();
        if (RoutingPolicies.names().contains(OURS)) {
            names.add(OURS);
        }
        names.addAll(PUBLISHED);
        return names;
    }

    /** {@return all policies but those that are told what nobody knows} */
    static List<String> withoutBounds() {
        return PolicyNames.all().stream().filter(name -> !BOUNDS.contains(name)).toList();
    }

    /** Makes the runs that are not there yet. */
    void run(String only, List<String> policies, int threads) throws IOException {
        List<Run> todo = new ArrayList<>();
        // Seed by seed, so that an interrupted comparison has something of every cell.
        for (long seed = firstSeed; seed < firstSeed + seeds; seed++) {
            for (Cell cell : Cell.all()) {
                for (String policy : policies) {
                    if (cell.key().startsWith(only) && !table.has(cell, policy, seed)) {
                        if (!read.containsKey(cell.trace())) {
                            read.put(cell.trace(), read(cell));
                        }
                        todo.add(new Run(cell, policy, seed));
                    }
                }
            }
        }
        err.println(todo.size() + " runs to make");
        err.flush();
        execute(todo, threads);
    }

    private Trace read(Cell cell) throws IOException {
        return Trace.read(traces.resolve(cell.trace()), Integer.MAX_VALUE, Trace.BrokenLines.STOP);
    }

    /** One run to make. */
    private record Run(Cell cell, String policy, long seed) {}

    private void execute(List<Run> todo, int threads) throws IOException {
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        AtomicInteger done = new AtomicInteger();
        try {
            List<Future<?>> futures = new ArrayList<>();
            for (Run run : todo) {
                futures.add(pool.submit(() -> {
                    make(run, done.incrementAndGet() + "/" + todo.size());
                    return null;
                }));
            }
            for (Future<?> future : futures) {
                future.get();
            }
        } catch (ExecutionException e) {
            throw new IOException("a run failed: " + e.getCause(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted; what is done is kept", e);
        } finally {
            pool.shutdownNow();
        }
    }

    private void make(Run run, String count) throws IOException {
        long start = ticker.nanos();
        Cell cell = run.cell();
        Trace trace = read.get(cell.trace());
        if (trace == null) {
            throw new IllegalStateException("not read: " + cell.trace());
        }
        SimulationResult result = Simulation.builder(trace)
                .replicas(cell.replicas())
                .kvBlocks(cell.kvBlocks())
                .rate(cell.load() * cell.saturation())
                .tokenEstimate(TOKEN_BIAS, TOKEN_NOISE)
                .build()
                .run(PolicyNames.policy(run.policy()), run.seed());
        table.add(cell, run.policy(), run.seed(), result);
        double seconds = (ticker.nanos() - start) / NANOS_PER_SECOND;
        synchronized (err) {
            err.println(format(
                    "%s %s %s seed %d: p99 %.3f s in %.1f s",
                    count,
                    cell.key(),
                    run.policy(),
                    run.seed(),
                    result.timeToFirstToken().p99(),
                    seconds));
            err.flush();
        }
    }

    void plot(List<String> policies, Path image) {
        table.plot(policies.get(0), policies.subList(1, policies.size()), image);
    }

    void print(List<String> policies, PrintWriter out) {
        table.print(policies.get(0), policies.subList(1, policies.size()), out);
        out.flush();
    }
}
