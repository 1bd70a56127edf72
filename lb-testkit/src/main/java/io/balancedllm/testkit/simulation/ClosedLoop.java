/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.IntConsumer;

/**
 * Users who wait for their answers: each plays a session of the trace turn by turn, thinks in between, and goes on with
 * the next session nobody has played.
 */
final class ClosedLoop {
    /** The users come one by one during this time. */
    static final double RAMP_SECONDS = 60;
    /** A user rests between two sessions. */
    static final double REST_SECONDS = 5;

    private static final double NANOS_PER_SECOND = 1e9;

    private final Trace trace;
    private final VirtualTime time;
    private final IntConsumer call;
    private final Deque<Deque<Integer>> sessions;
    private final Map<Integer, Deque<Integer>> playing = new LinkedHashMap<>();

    ClosedLoop(Trace trace, VirtualTime time, IntConsumer call) {
        this.trace = trace;
        this.time = time;
        this.call = call;
        Map<String, Deque<Integer>> bySession = new LinkedHashMap<>();
        List<TraceRequest> requests = trace.requests();
        for (int i = 0; i < requests.size(); i++) {
            String session = requests.get(i).options().session().orElse("request " + i);
            bySession.computeIfAbsent(session, s -> new ArrayDeque<>()).add(i);
        }
        this.sessions = new ArrayDeque<>(bySession.values());
    }

    void start(int users, SplittableRandom random) {
        List<Double> times = new ArrayList<>();
        for (int i = 0; i < users; i++) {
            times.add(random.nextDouble() * RAMP_SECONDS);
        }
        times.forEach(this::nextSession);
    }

    private void nextSession(double afterSeconds) {
        Deque<Integer> session = sessions.poll();
        if (session != null) {
            nextTurn(session, afterSeconds);
        }
    }

    private void nextTurn(Deque<Integer> session, double afterSeconds) {
        int index = session.remove();
        playing.put(index, session);
        time.schedule("user", Math.round(afterSeconds * NANOS_PER_SECOND), () -> call.accept(index));
    }

    /** A call has ended, in whatever way: its user goes on. */
    void ended(int index) {
        Deque<Integer> session = playing.remove(index);
        if (session == null) {
            return;
        }
        Integer next = session.peek();
        if (next == null) {
            nextSession(REST_SECONDS);
        } else {
            nextTurn(session, trace.requests().get(next).thinkSeconds());
        }
    }
}
