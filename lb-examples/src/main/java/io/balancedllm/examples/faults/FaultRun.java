/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import io.balancedllm.examples.console.Failure;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * One scenario against one contender. The fault begins after a second; what is measured of the bad worker's share begins
 * {@link #SETTLE} later.
 */
final class FaultRun {
    private static final Duration BEFORE = Duration.ofSeconds(1);
    private static final Duration SETTLE = Duration.ofSeconds(3);
    private static final int POISON_EVERY = 10;
    private static final double NANOS_PER_MILLI = 1e6;

    private final Scenario scenario;
    private final List<FaultyWorker> workers;
    private final int requests;
    private final int rate;
    private final Ticker ticker = Ticker.system();

    FaultRun(Scenario scenario, List<FaultyWorker> workers, int requests, int rate) {
        this.scenario = scenario;
        this.workers = workers;
        this.requests = requests + (int) scenario.extra().toSeconds() * rate;
        this.rate = rate;
    }

    List<String> row(String system, Contender.Maker maker) throws IOException {
        workers.forEach(FaultyWorker::heal);
        ExecutorService clients = Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task, "faults-client");
            thread.setDaemon(true);
            return thread;
        });
        try (Scheduler arrivals = Scheduler.singleThread("faults-arrivals");
                Contender contender = maker.make()) {
            // One request each way first, so that no class is loaded at the expense of what is measured.
            contender.send("warm up", true);
            contender.send("warm up", false);
            long start = ticker.nanos();
            List<CompletableFuture<Outcome>> sent = new ArrayList<>();
            for (int i = 0; i < requests; i++) {
                int number = i;
                CompletableFuture<Outcome> outcome = new CompletableFuture<>();
                sent.add(outcome);
                arrivals.schedule(
                        "arrival",
                        i * 1_000_000_000L / rate,
                        () -> clients.execute(() -> outcome.complete(contender.send(prompt(number), number % 2 == 0))));
            }
            List<Outcome> outcomes = disturbed(contender, sent);
            workers.get(0).thaw();
            return cells(system, outcomes, start);
        } catch (RuntimeException e) {
            throw new Failure(scenario.label() + " against " + system + " failed: " + e, e);
        } finally {
            clients.shutdownNow();
        }
    }

    /** Does to the workers what is to be done, until all requests have ended. */
    private List<Outcome> disturbed(Contender contender, List<CompletableFuture<Outcome>> sent) {
        try (Scheduler faults = Scheduler.singleThread("faults")) {
            faults.schedule(
                    "fault",
                    BEFORE.toNanos(),
                    () -> scenario.begin(new Scenario.Fleet(workers, faults, contender::dnsFails)));
            List<Outcome> outcomes = sent.stream().map(CompletableFuture::join).toList();
            CompletableFuture<Void> done =
                    new CompletableFuture<>(); // what is being done to a worker is done to its end
            faults.schedule("done", 0, () -> done.complete(null));
            done.join();
            return outcomes;
        }
    }

    private boolean isPoison(int number) {
        return scenario == Scenario.POISON_REQUEST && number % POISON_EVERY == POISON_EVERY - 1;
    }

    private String prompt(int number) {
        return isPoison(number) ? FaultWorkerCommand.POISON : "Count";
    }

    private List<String> cells(String system, List<Outcome> all, long start) {
        List<Outcome> counted = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            if (!isPoison(i)) {
                counted.add(all.get(i));
            }
        }
        int before = (int) Math.min(counted.size(), BEFORE.toSeconds() * rate);
        long usual = counted.subList(0, before).stream()
                .filter(Outcome::isWhole)
                .mapToLong(Outcome::nanos)
                .sorted()
                .skip(before / 2)
                .findFirst()
                .orElse(0);
        long worst = counted.stream()
                .filter(Outcome::isWhole)
                .mapToLong(Outcome::nanos)
                .max()
                .orElse(usual);
        long settled = start + BEFORE.plus(SETTLE).toNanos();
        int later = workers.stream()
                .mapToInt(worker -> worker.requestsSince(settled))
                .sum();
        int attempts =
                workers.stream().mapToInt(worker -> worker.requestsSince(start)).sum();
        return List.of(
                scenario.label(),
                system,
                Integer.toString(counted.size()),
                count(counted, Outcome::isLost),
                count(counted, Outcome::isCut),
                count(counted, Outcome::isTruncatedAsSuccess),
                count(counted, Outcome::isDuplicated),
                String.format(Locale.ROOT, "%.0f", (worst - usual) / NANOS_PER_MILLI),
                later == 0 ? "n/a" : number((double) workers.get(0).requestsSince(settled) / later),
                number((double) attempts / all.size()));
    }

    private static String count(List<Outcome> outcomes, java.util.function.Predicate<Outcome> which) {
        return Long.toString(outcomes.stream().filter(which).count());
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.2f", value);
    }
}
