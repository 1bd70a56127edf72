/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import io.balancedllm.examples.console.Failure;
import io.balancedllm.time.Scheduler;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * One scenario against one contender. The fault begins after a second; what is measured of the bad worker's share begins
 * {@link #SETTLE} later.
 */
final class FaultRun {
    private static final Duration BEFORE = Duration.ofSeconds(1);
    private static final Duration SETTLE = Duration.ofSeconds(3);
    private static final int POISON_EVERY = 10;
    private static final int WARM_UP_ROUNDS = 3;
    private static final int WARM_UP_WIDTH = 10;

    private final Scenario scenario;
    private final List<FaultyWorker> workers;
    private final int requests;
    private final int rate;

    FaultRun(Scenario scenario, List<FaultyWorker> workers, int requests, int rate) {
        this.scenario = scenario;
        this.workers = workers;
        this.requests = requests + (int) scenario.extra().toSeconds() * rate;
        this.rate = rate;
    }

    FaultResult against(String system, Contender.Maker maker) throws IOException {
        workers.forEach(FaultyWorker::heal);
        ExecutorService clients = Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task, "faults-client");
            thread.setDaemon(true);
            return thread;
        });
        try (Scheduler arrivals = Scheduler.singleThread("faults-arrivals");
                Contender contender = maker.make()) {
            warmUp(contender, clients);
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
            workers.forEach(FaultyWorker::end);
            return result(outcomes);
        } catch (RuntimeException e) {
            throw new Failure(scenario.label() + " against " + system + " failed: " + e, e);
        } finally {
            clients.shutdownNow();
        }
    }

    /** Some requests each way first, so that no class is loaded and no code compiled at the expense of what is measured. */
    private static void warmUp(Contender contender, ExecutorService clients) {
        for (int round = 0; round < WARM_UP_ROUNDS; round++) {
            List<CompletableFuture<Outcome>> sent = IntStream.range(0, WARM_UP_WIDTH)
                    .mapToObj(i -> CompletableFuture.supplyAsync(() -> contender.send("warm up", i % 2 == 0), clients))
                    .toList();
            sent.forEach(CompletableFuture::join);
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
            CompletableFuture<Void> done = new CompletableFuture<>(); // what is begun with a worker is finished
            faults.schedule("done", 0, () -> done.complete(null));
            done.join();
            return outcomes;
        }
    }

    private boolean isPoison(int number) {
        return scenario == Scenario.POISON_REQUEST && number % POISON_EVERY == POISON_EVERY - 1;
    }

    private String prompt(int number) {
        return (isPoison(number) ? FaultWorkerCommand.POISON : "count") + " " + number;
    }

    private FaultResult result(List<Outcome> all) {
        List<Outcome> good = IntStream.range(0, all.size())
                .filter(number -> !isPoison(number))
                .mapToObj(all::get)
                .toList();
        int before = (int) Math.min(good.size(), BEFORE.toSeconds() * rate);
        long usual = good.subList(0, before).stream()
                .filter(Outcome::isWhole)
                .mapToLong(Outcome::nanos)
                .sorted()
                .skip(before / 2)
                .findFirst()
                .orElse(0);
        long worst = good.stream()
                .filter(Outcome::isWhole)
                .mapToLong(Outcome::nanos)
                .max()
                .orElse(usual);
        int settled = (int) BEFORE.plus(SETTLE).toSeconds() * rate;
        return new FaultResult(
                good.size(),
                count(good, Outcome::isLost),
                count(good, Outcome::isCut),
                count(good, Outcome::isTruncatedAsSuccess),
                count(good, Outcome::isDuplicated),
                worst - usual,
                got(0),
                got(settled),
                workers.get(0).requestsFrom(settled),
                all.size());
    }

    private int got(int fromNumber) {
        return workers.stream()
                .mapToInt(worker -> worker.requestsFrom(fromNumber))
                .sum();
    }

    private static int count(List<Outcome> outcomes, Predicate<Outcome> which) {
        return (int) outcomes.stream().filter(which).count();
    }
}
