/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheOptions;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Prompt;
import io.balancedllm.event.CallEnd;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.metrics.CacheStatistics;
import io.balancedllm.metrics.LlmStatistics;
import io.balancedllm.testkit.ManualExecutor;
import io.balancedllm.testkit.ManualScheduler;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * Callers that ask for the same few things at the same time and leave at any point, on one thread: at each step one thing
 * happens that may happen then, drawn by a seed. Chunks say which attempt they are of and which place they have.
 */
final class SharedLife {
    private static final int PROMPTS_AT_A_TIME = 3;
    private static final int CALLS_OF_A_PROMPT = 12;
    private static final int LONGEST = 24;
    private static final List<Reason> FAILURES =
            List.of(Reason.UNAVAILABLE, Reason.SERVER_ERROR, Reason.TRUNCATED, Reason.REJECTED, Reason.INVALID_REQUEST);

    private final Random random;
    private final int calls;
    private final boolean byMeaning;
    private final ManualScheduler timers = new ManualScheduler();
    private final ManualExecutor loop;
    private final ManualExecutor callbacks;
    private final RecordingListener listener = new RecordingListener();
    private final ScriptedCache alike = new ScriptedCache();
    private final BalancedLlm llm;

    private final Map<RandomCaller, String> promptOf = new HashMap<>();
    private final List<RandomCaller> live = new ArrayList<>();
    private final List<ScriptedAttempt> running = new ArrayList<>();
    private final Map<ScriptedAttempt, StringBuilder> said = new HashMap<>();
    /** Everything that was begun to be said to a prompt, and what of it was said to the end. */
    private final Map<String, List<StringBuilder>> begun = new HashMap<>();

    private final Map<String, Set<String>> whole = new HashMap<>();
    private int attempts;
    private boolean quiet;

    /** A life with a cache that also looks up by meaning, or without. */
    SharedLife(long seed, int calls, boolean byMeaning) {
        this.random = new Random(seed);
        this.calls = calls;
        this.byMeaning = byMeaning;
        this.loop = ManualExecutor.shuffled(seed + 1);
        this.callbacks = ManualExecutor.shuffled(seed + 2);
        BalancedLlm.Builder builder = BalancedLlm.builder()
                .executor(loop)
                .callbackExecutor(callbacks)
                .scheduler(timers)
                .ticker(timers.ticker())
                .random(new Random(seed + 3))
                .healthCheck(HealthCheck.off())
                .cache(byMeaning ? CacheOptions.of(alike) : CacheOptions.DEFAULT)
                .listener(listener);
        for (int i = 0; i < 3; i++) {
            builder.endpoint("e" + i, new ScriptedBackend().onStart(this::started));
        }
        this.llm = builder.build();
    }

    private void started(ScriptedAttempt attempt) {
        if (random.nextInt(8) == 0) {
            attempt.fail(FAILURES.get(random.nextInt(FAILURES.size())));
            return;
        }
        assertNobodyAsksTwice(prompt(attempt));
        running.add(attempt);
        StringBuilder text = new StringBuilder();
        said.put(attempt, text);
        begun.computeIfAbsent(prompt(attempt), prompt -> new ArrayList<>()).add(text);
        attempts++;
    }

    private void assertNobodyAsksTwice(String prompt) {
        assertThat(running)
                .as("generations for %s that somebody wants", prompt)
                .noneMatch(attempt -> !attempt.isEnded()
                        && !attempt.isCancelAsked()
                        && prompt(attempt).equals(prompt));
    }

    private static String prompt(ScriptedAttempt attempt) {
        return attempt.request().prompt() instanceof Prompt.Text text ? text.text() : "";
    }

    void run() {
        while (promptOf.size() < calls) {
            step();
        }
        quiet = true;
        for (int i = 0; i < 100 * calls && !(live.isEmpty() && running.isEmpty()); i++) {
            step();
            timers.advance(Duration.ofMillis(100));
        }
        settle();
    }

    private void step() {
        int dice = random.nextInt(100);
        if (dice < 12 && !quiet) {
            call();
        } else if (dice < 40) {
            progress();
        } else if (dice < 55) {
            caller();
        } else if (dice < 63) {
            looked();
        } else if (dice < 95) {
            loop.runOne();
            callbacks.runOne();
        } else if (dice < 98) {
            timers.advance(Duration.ofMillis(random.nextInt(500)));
        } else if (!quiet && random.nextInt(10) == 0) {
            llm.invalidateCache();
        }
    }

    private void settle() {
        while (loop.runAll() + callbacks.runAll() > 0) {
            // what ran may have handed in more
        }
    }

    private void call() {
        CallOptions.Builder options = CallOptions.builder();
        if (random.nextInt(4) == 0) {
            options.timeout(Duration.ofMillis(1 + random.nextInt(3_000)));
        }
        int topic = promptOf.size() / CALLS_OF_A_PROMPT * PROMPTS_AT_A_TIME + random.nextInt(PROMPTS_AT_A_TIME);
        String prompt = "topic " + topic;
        CompletionRequest request =
                CompletionRequest.builder("m").prompt(prompt).temperature(0).build();
        RandomCaller caller = RandomCaller.of(llm.with(options.build()), request, random);
        promptOf.put(caller, prompt);
        live.add(caller);
    }

    private void progress() {
        if (running.isEmpty()) {
            return;
        }
        ScriptedAttempt attempt = running.get(random.nextInt(running.size()));
        int dice = random.nextInt(100);
        if (attempt.isEnded()) {
            running.remove(attempt);
        } else if (attempt.isCancelAsked()) {
            running.remove(attempt);
            attempt.cancelled();
        } else if (dice < 5) {
            running.remove(attempt);
            attempt.fail(FAILURES.get(random.nextInt(FAILURES.size())));
        } else if (dice < 80 && text(attempt).chars().filter(c -> c == ' ').count() < LONGEST) {
            if (attempt.demand() > 0) {
                String piece = attempt.attempt().callId() + "/" + attempts + "."
                        + text(attempt).length() + " ";
                text(attempt).append(piece);
                attempt.chunk(piece);
            }
        } else if (attempt.demand() > 0 && text(attempt).length() > 0) {
            running.remove(attempt);
            whole.computeIfAbsent(prompt(attempt), prompt -> new HashSet<>())
                    .add(text(attempt).toString());
            attempt.finish(FinishReason.STOP).complete();
        }
    }

    private StringBuilder text(ScriptedAttempt attempt) {
        StringBuilder text = said.get(attempt);
        if (text == null) {
            throw new AssertionError("an attempt that was not started");
        }
        return text;
    }

    private void caller() {
        if (live.isEmpty()) {
            return;
        }
        RandomCaller caller = live.get(random.nextInt(live.size()));
        if (caller.hasEnded()) {
            live.remove(caller);
        } else {
            caller.act(random, 0); // readers of streams read at the end: nobody could tell how much there is for one
        }
    }

    private void looked() {
        CompletableFuture<CacheLookup> lookup = alike.lookups.peek();
        if (lookup == null) {
            return;
        }
        switch (random.nextInt(5)) {
            case 0 -> alike.hit(storedAnswer(), fresh -> {});
            case 1 -> {
                alike.lookups.remove();
                lookup.completeExceptionally(new IllegalStateException("broken"));
            }
            case 2 -> alike.veto();
            default -> alike.miss();
        }
    }

    private static Completion storedAnswer() {
        return Completion.builder(Operation.TEXT)
                .choice(new Choice(0, Message.assistant("something alike"), FinishReason.STOP, null, Map.of()))
                .build();
    }

    void assertNothingWasLostOrMixedUp() {
        assertThat(live).isEmpty();
        listener.assertGrammar();
        promptOf.keySet().forEach(RandomCaller::finish);
        promptOf.forEach(this::assertOneGenerationSpeaks);

        LlmStatistics statistics = llm.statistics();
        assertThat(statistics.running()).isZero();
        assertThat(listener.ends).hasSize((int) statistics.calls());
        assertThat(listener.attempts).hasSize((int) statistics.attempts());
        assertThat(statistics.cache().calls()).isEqualTo(statistics.calls());
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::inFlight).allMatch(count -> count == 0);
        assertThat(llm.waiting()).isZero();
        assertThat(timers.pending()).isEmpty();
        llm.close();
        settle();
        assertThat(alike.closes).isEqualTo(byMeaning ? 1 : 0);
    }

    private void assertOneGenerationSpeaks(RandomCaller caller, String prompt) {
        String read = caller.read();
        if (read.isEmpty() || "something alike".startsWith(read)) {
            return;
        }
        assertThat(begun.getOrDefault(prompt, List.of()))
                .as("what was said to %s", prompt)
                .anyMatch(text -> text.toString().startsWith(read));
        String answer = caller.answer();
        if (answer != null && !answer.isEmpty() && caller.isWhole()) {
            assertThat(whole.getOrDefault(prompt, Set.of())).contains(answer);
        }
    }

    /** {@return what became of every call: the same for the same seed} */
    List<String> stories() {
        return listener.stories();
    }

    CacheStatistics outcomes() {
        return llm.statistics().cache();
    }

    /** {@return calls that were cancelled although their attempts went on to a good end} */
    long outlived() {
        return listener.ends.stream()
                .filter(end -> end.outcome() == CallEnd.Outcome.CANCELLED)
                .filter(end -> !(end.decision().cache() instanceof CacheOutcome.Joined))
                .count();
    }
}
