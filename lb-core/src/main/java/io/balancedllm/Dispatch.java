/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.event.AttemptListener;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The part of a call that runs user code: the policy's pick, listeners, the start of a backend. Runs on the caller's
 * thread for the first attempt and on the loop from then on, one pick at a time; what comes of it is a message.
 */
final class Dispatch {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final EngineRoom room;
    private final Call call;
    private final CallRecord record;
    /** Attempts handed to backends. */
    private int launches;

    Dispatch(EngineRoom room, Call call, CallRecord record) {
        this.room = room;
        this.call = call;
        this.record = record;
    }

    int launches() {
        return launches;
    }

    void route() {
        if (room.line().isEmpty()) {
            settle(room.router().route(call, room.nanos()));
        } else {
            call.post(() -> call.admission().mustWait(false)); // nobody overtakes those who wait
        }
    }

    void settle(Router.Route route) {
        if (route.lease() != null) {
            launch(route, route.lease());
        } else if (route.failure() != null) {
            LlmException failure = route.failure();
            call.post(() -> call.routed(failure));
        } else {
            call.post(() -> call.admission().mustWait(true));
        }
    }

    void routeHedge() {
        Router.Route route = room.router().routeHedge(call, room.nanos());
        if (route.lease() != null) {
            launch(route, route.lease());
            return;
        }
        if (route.failure() != null) {
            LOG.debug("call {} is not hedged", call.id(), route.failure());
        }
        call.post(call::noHedge);
    }

    private void launch(Router.Route route, Lease lease) {
        int number = ++launches;
        Map<String, String> headers = new HashMap<>();
        AttemptListener listener = record.attemptStarted(
                number,
                lease.member(),
                route.policy(),
                (name, value) ->
                        headers.put(Objects.requireNonNull(name, "name"), Objects.requireNonNull(value, "value")));
        AttemptRun run = new AttemptRun(call, room, number, lease, route, listener);
        call.post(() -> call.launching(run, route));
        if (run.over) {
            return; // cancelled or evicted meanwhile
        }
        Generation generation;
        try {
            generation = Objects.requireNonNull(
                    call.work()
                            .start(
                                    lease.member().endpoint().backend(),
                                    lease.member().served().upstream(route.model()),
                                    new Work.Terms(call.options(), call.id(), number, headers, remaining()),
                                    run),
                    "no Generation");
        } catch (Throwable e) { // also an Error, a native library that does not load: the lease must not leak
            run.failed(
                    Failures.defect("the backend of endpoint " + lease.member().id() + " threw " + e, e));
            return;
        }
        call.post(() -> call.started(run, generation));
    }

    private @Nullable Duration remaining() {
        Patience patience = call.patience();
        return patience.hasDeadline() ? Duration.ofNanos(Math.max(0, patience.leftNanos())) : null;
    }
}
