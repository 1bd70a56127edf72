/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.contract.EveryPolicy;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.metrics.LlmStatistics;
import io.balancedllm.resilience.HedgingPolicy;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.testkit.ManualExecutor;
import io.balancedllm.testkit.ManualScheduler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A balancer and everything around it on one thread: at each step one thing happens that may happen at that point, drawn
 * by a seed. Executors run what they were given in any order, as real ones do.
 */
final class RandomLife {
    private static final int MAX_ENDPOINTS = 6;
    private static final int STEPS_PER_LOOK = 16;

    /** Timers of endpoints, which go on while no call runs. */
    private static final Set<String> JUDGES = Set.of("probe", "probe timeout", "silence", "health", "trial");

    private final Random random;
    private final String policyName;
    private final int calls;
    private final boolean judged;
    private final ManualScheduler timers = new ManualScheduler();
    private final ManualExecutor loop;
    private final ManualExecutor callbacks;
    private final RecordingListener listener = new RecordingListener();
    private final Set<EndpointView> views = Collections.newSetFromMap(new IdentityHashMap<>());
    private final ObservingPolicy policy;
    private final BalancedLlm llm;

    private final RandomEndpoints backends;
    private final List<RandomCaller> callers = new ArrayList<>();
    private final List<RandomCaller> live = new ArrayList<>();
    private final List<CompletableFuture<Boolean>> drains = new ArrayList<>();
    private int endpoints;

    RandomLife(String policyName, long seed, int calls) {
        this(policyName, seed, calls, HealthCheck.off());
    }

    /** A life in which endpoints are judged. */
    RandomLife(String policyName, long seed, int calls, HealthCheck check) {
        this.judged = check.isOn();
        this.random = new Random(seed);
        this.backends = new RandomEndpoints(random);
        this.policyName = policyName;
        this.calls = calls;
        this.loop = ManualExecutor.shuffled(seed + 1);
        this.callbacks = ManualExecutor.shuffled(seed + 2);
        this.policy = new ObservingPolicy(watched());
        this.llm = BalancedLlm.builder()
                .executor(loop)
                .callbackExecutor(callbacks)
                .scheduler(timers)
                .ticker(timers.ticker())
                .random(new Random(seed + 3))
                .healthCheck(check)
                .maxWaiting(30)
                .hedging(hedging(seed))
                .fallback(EndpointPool.builder()
                        .healthCheck(HealthCheck.off())
                        .add(backends.create("fallback"))
                        .build())
                .routing(policy)
                .listener(listener)
                .build();
        for (int i = 0; i < 3; i++) {
            llm.pool().add(backends.create("e" + endpoints++));
        }
    }

    private static HedgingPolicy hedging(long seed) {
        return switch ((int) (seed % 3)) {
            case 0 -> HedgingPolicy.OFF;
            case 1 -> HedgingPolicy.after(Duration.ofMillis(300));
            default -> HedgingPolicy.afterTimeToFirstTokenQuantile(0.7);
        };
    }

    /** The policy under test, which notes every generation of an endpoint it ever sees. */
    private RoutingPolicy watched() {
        RoutingPolicy named = EveryPolicy.named(policyName);
        return new RoutingPolicy() {
            @Override
            public EndpointView pick(RoutingContext call, Candidates candidates) {
                views.addAll(candidates);
                return named.pick(call, candidates);
            }

            @Override
            public String toString() {
                return named.toString();
            }
        };
    }

    /** Lives through all calls, then until nothing is left of them. */
    void run() {
        for (int steps = 0; callers.size() < calls; steps++) {
            step();
            if (steps % STEPS_PER_LOOK == 0) {
                assertCountsNeverNegative();
            }
        }
        windDown();
    }

    private void step() {
        int dice = random.nextInt(100);
        if (dice < 9) {
            call();
        } else if (dice < 48) {
            backends.progress();
        } else if (dice < 60) {
            caller();
        } else if (dice < 88) {
            loop.runOne();
            callbacks.runOne();
        } else if (dice < 91) {
            timers.advance(Duration.ofMillis(random.nextInt(1_000)));
        } else if (dice == 91 && random.nextInt(4) == 0) {
            timers.advance(Duration.ofSeconds(random.nextInt(70)));
        } else if (dice == 92 && random.nextInt(4) == 0) {
            llm.switchRouting(policy.next(watched()));
        } else if (dice == 93 && random.nextInt(4) == 0) {
            backends.flap();
        } else if (random.nextInt(4) == 0) {
            changePool();
        }
    }

    private void call() {
        CallOptions.Builder options =
                CallOptions.builder().retryable(random.nextInt(8) > 0).explain(random.nextInt(10) == 0);
        if (random.nextInt(4) == 0) {
            options.timeout(Duration.ofMillis(1 + random.nextInt(30_000)));
        }
        String prompt = "call " + callers.size();
        CompletionRequest request = CompletionRequest.builder(random.nextInt(3) > 0 ? "common" : "rare")
                .prompt(prompt)
                .build();
        RandomCaller caller = RandomCaller.of(llm.with(options.build()), request, random);
        backends.asks(prompt, caller);
        callers.add(caller);
        live.add(caller);
    }

    private void caller() {
        if (live.isEmpty()) {
            return;
        }
        int index = random.nextInt(live.size());
        RandomCaller caller = live.get(index);
        if (caller.hasEnded()) {
            Collections.swap(live, index, live.size() - 1);
            live.remove(live.size() - 1);
        } else {
            caller.act(random, backends.readable(caller));
        }
    }

    private void changePool() {
        List<EndpointStatus> present = llm.pool().endpoints();
        @Nullable
        String id = present.isEmpty()
                ? null
                : present.get(random.nextInt(present.size())).id();
        int dice = random.nextInt(10);
        if (id == null || (dice < 3 && present.size() < MAX_ENDPOINTS)) {
            llm.pool().add(backends.create("e" + endpoints++));
            return;
        }
        switch (dice) {
            case 3 -> llm.pool().remove(id);
            case 4 -> llm.pool().replace(backends.create(id));
            case 5 -> drains.add(llm.pool().drain(id));
            case 6 -> drains.add(llm.pool().drain(id, Duration.ofSeconds(random.nextInt(20))));
            case 2, 7 -> llm.pool().resume(id);
            case 8 -> llm.pool().updateMaxConcurrency(id, 1 + random.nextInt(6));
            default -> llm.pool().updateWeight(id, 1 + random.nextInt(4));
        }
    }

    /** Never negative, in any generation that was ever a candidate. */
    private void assertCountsNeverNegative() {
        for (EndpointView view : views) {
            if (view.inFlight() < 0) {
                throw new AssertionError("negative: " + view);
            }
        }
    }

    private void windDown() {
        backends.calmDown();
        llm.pool().add(backends.create("last"));
        for (int i = 0; i < 20 * calls && !allEnded(); i++) {
            settle();
            while (!backends.areIdle()) {
                backends.progress();
            }
            timers.advance(RetryPolicy.DEFAULT_LONGEST_BACKOFF); // those that pause before they try again
            live.removeIf(RandomCaller::hasEnded);
            if (judged) {
                timers.advance(Duration.ofSeconds(1)); // whoever is out comes back, and the calls that wait go on
            }
        }
        callers.forEach(RandomCaller::finish);
        settle();
        assertCountsNeverNegative();
    }

    private boolean allEnded() {
        return backends.areIdle() && live.isEmpty();
    }

    private void settle() {
        while (loop.runAll() + callbacks.runAll() > 0) {
            // what ran may have handed in more
        }
    }

    /** {@return what became of every call: the same for the same seed} */
    List<String> stories() {
        return listener.stories();
    }

    void assertNothingWasLostOrCountedTwice() {
        listener.assertGrammar();
        policy.assertGrammar();
        assertThat(callers).allSatisfy(caller -> assertThat(caller.hasEnded()).isTrue());
        callers.forEach(RandomLife::assertOneAttemptSpeaks);

        LlmStatistics statistics = llm.statistics();
        assertThat(statistics.completed() + statistics.failed() + statistics.cancelled())
                .isEqualTo(statistics.calls());
        assertThat(listener.ends).hasSize((int) statistics.calls());
        assertThat(listener.attempts).hasSize((int) statistics.attempts());
        assertThat(policy.attempts()).isEqualTo((int) statistics.attempts());
        assertThat(statistics.endpoints()).allMatch(endpoint -> endpoint.running() == 0);
        assertThat(callers.stream().filter(caller -> caller.answer() != null).count())
                .as("answers")
                .isLessThanOrEqualTo(statistics.completed());

        assertThat(views).isNotEmpty().allMatch(view -> view.inFlight() == 0);
        assertThat(drains).allMatch(CompletableFuture::isDone);
        assertThat(llm.waiting()).isZero();
        assertThat(timers.pending()).allMatch(timer -> judged && JUDGES.contains(timer));

        llm.close();
        settle();
        backends.assertEachWasClosedOnce();
    }

    /** What a caller reads comes from one attempt, without a gap. */
    private static void assertOneAttemptSpeaks(RandomCaller caller) {
        String read = caller.read();
        if (read.isEmpty()) {
            return;
        }
        String[] marks = read.split(";", -1);
        String origin = marks[0].substring(0, marks[0].lastIndexOf('/'));
        for (int i = 0; i < marks.length - 1; i++) {
            assertThat(marks[i]).isEqualTo(origin + "/" + (i + 1));
        }
    }
}
