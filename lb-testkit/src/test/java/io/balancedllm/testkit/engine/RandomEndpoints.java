/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Prompt;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/** The endpoints of a {@link RandomLife}: what their attempts do next, and who of them dies, freezes and comes back. */
final class RandomEndpoints {
    private static final List<Reason> FAILURES = List.of(
            Reason.UNAVAILABLE,
            Reason.SERVER_ERROR,
            Reason.TRUNCATED,
            Reason.RATE_LIMITED,
            Reason.MODEL_NOT_FOUND,
            Reason.CONTEXT_LENGTH_EXCEEDED,
            Reason.INVALID_REQUEST,
            Reason.UNAUTHORIZED);

    private static final ProbeResult DEAD = new ProbeResult(ProbeResult.Status.UNHEALTHY, "dead");

    private final Random random;
    private final List<ClosingBackend> backends = new ArrayList<>();
    private final List<ScriptedBackend> scripts = new ArrayList<>();
    private final List<ScriptedAttempt> running = new ArrayList<>();
    private final Map<String, RandomCaller> callerOf = new HashMap<>();
    /** Chunks with text that went out, by call: of its latest attempt. */
    private final Map<RandomCaller, Integer> sent = new HashMap<>();

    private final Map<ScriptedAttempt, Integer> sentOf = new HashMap<>();
    private final Map<ScriptedAttempt, Integer> placeOf = new HashMap<>();
    private final Set<Integer> dead = new HashSet<>();
    private final Set<Integer> frozen = new HashSet<>();
    private boolean quiet;

    RandomEndpoints(Random random) {
        this.random = random;
    }

    /** Says whose the attempts with this prompt are. */
    void asks(String prompt, RandomCaller caller) {
        callerOf.put(prompt, caller);
    }

    Endpoint create(String id) {
        int place = backends.size();
        ScriptedBackend script = new ScriptedBackend().onStart(attempt -> started(attempt, place));
        scripts.add(script);
        ClosingBackend backend = new ClosingBackend(script);
        backends.add(backend);
        Endpoint.Builder endpoint = Endpoint.builder(id, backend)
                .maxConcurrency(1 + random.nextInt(5))
                .weight(1 + random.nextInt(3));
        int models = random.nextInt(4);
        if (models > 0) {
            endpoint.model("common");
        }
        if (models < 2) {
            endpoint.model("rare", "upstream");
        }
        return endpoint.build();
    }

    private void started(ScriptedAttempt attempt, int place) {
        sentOf.put(attempt, 0);
        if (dead.contains(place)) {
            attempt.fail(Reason.UNAVAILABLE);
            return;
        }
        placeOf.put(attempt, place);
        if (random.nextInt(10) == 0) {
            attempt.fail(FAILURES.get(random.nextInt(FAILURES.size())));
        } else {
            if (random.nextInt(10) == 0) {
                attempt.ignoreCancel();
            }
            running.add(attempt);
        }
    }

    /** Something happens to one of the attempts that run. */
    void progress() {
        if (running.isEmpty()) {
            return;
        }
        int index = random.nextInt(running.size());
        ScriptedAttempt attempt = running.get(index);
        if (attempt.isEnded()) {
            drop(index);
            return;
        }
        int dice = quiet ? 99 : random.nextInt(100);
        if (frozen.contains(placeOf.getOrDefault(attempt, -1))) {
            return;
        }
        if (attempt.isCancelAsked() && dice < 50) {
            drop(index);
            attempt.cancelled();
        } else if (dice < 10) {
            attempt.accept();
        } else if (dice < 15) {
            attempt.alive();
        } else if (dice < 70) {
            if (attempt.demand() > 0) {
                send(attempt);
            }
        } else if (dice < 80) {
            drop(index);
            attempt.fail(FAILURES.get(random.nextInt(FAILURES.size())));
        } else {
            drop(index);
            attempt.complete();
        }
    }

    /** One that lives dies with everything it runs, or freezes; one that is dead or frozen comes back. */
    void flap() {
        int place = random.nextInt(backends.size());
        ScriptedBackend script = scripts.get(place);
        if (frozen.remove(place) || dead.remove(place)) {
            script.health(ProbeResult.READY);
            return;
        }
        if (random.nextInt(3) == 0) {
            frozen.add(place);
            script.health(new CompletableFuture<>());
            return;
        }
        dead.add(place);
        script.health(DEAD);
        for (int i = running.size() - 1; i >= 0; i--) {
            ScriptedAttempt attempt = running.get(i);
            if (placeOf.getOrDefault(attempt, -1) == place) {
                drop(i);
                if (!attempt.isEnded()) {
                    attempt.fail(random.nextBoolean() ? Reason.UNAVAILABLE : Reason.TRUNCATED);
                }
            }
        }
    }

    private void drop(int index) {
        Collections.swap(running, index, running.size() - 1);
        running.remove(running.size() - 1);
    }

    /** Each chunk says whose it is, so that an answer put together from two attempts would show. */
    private void send(ScriptedAttempt attempt) {
        int number = sentOf.merge(attempt, 1, Integer::sum);
        RandomCaller caller = callerOf.get(prompt(attempt));
        if (caller != null && !attempt.isCancelAsked()) {
            sent.put(caller, number);
        }
        attempt.chunk(mark(attempt, number));
    }

    private static String mark(ScriptedAttempt attempt, int number) {
        return prompt(attempt) + "/" + attempt.attempt().number() + "/" + number + ";";
    }

    private static String prompt(ScriptedAttempt attempt) {
        return attempt.request().prompt() instanceof Prompt.Text text ? text.text() : "";
    }

    /** How many chunks a reader can read without waiting: those of the attempt that runs. */
    int readable(RandomCaller caller) {
        for (ScriptedAttempt attempt : running) {
            if (!attempt.isEnded() && !attempt.isCancelAsked() && caller.equals(callerOf.get(prompt(attempt)))) {
                int number = sentOf.getOrDefault(attempt, 0);
                return sent.getOrDefault(caller, 0) == number ? number : 0;
            }
        }
        return 0;
    }

    /** From now on nobody fails: who is dead or frozen comes back, and attempts complete. */
    void calmDown() {
        quiet = true;
        dead.clear();
        frozen.clear();
        scripts.forEach(script -> script.health(ProbeResult.READY));
    }

    boolean areIdle() {
        return running.isEmpty();
    }

    void assertEachWasClosedOnce() {
        assertThat(backends).allMatch(backend -> backend.closes() == 1);
    }
}
