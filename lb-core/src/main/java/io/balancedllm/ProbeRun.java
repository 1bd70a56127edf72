/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ProbeResult.Status;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** One probe of one endpoint: ends once, in time, whatever its backend does; an answer after that is told as late. */
final class ProbeRun {
    /** What becomes of a probe. Any thread. */
    interface Listener {
        /**
         * It ended.
         *
         * @param answered whether the endpoint said something in time, be it that it fails
         * @param begunNanos when it was sent
         */
        void probed(ProbeResult result, boolean answered, long begunNanos);

        /** An answer came after that. */
        void late(ProbeResult result);
    }

    private final EngineRoom room;
    private final LlmBackend backend;
    private final Duration timeout;
    private final Listener listener;
    private final AtomicBoolean ended = new AtomicBoolean();
    private volatile Scheduler.@Nullable Timer timer;
    private volatile long begun;

    private ProbeRun(EngineRoom room, LlmBackend backend, Duration timeout, Listener listener) {
        this.room = room;
        this.backend = backend;
        this.timeout = timeout;
        this.listener = listener;
    }

    /** Starts a probe; its time begins when there is a thread that sends it, so that a lack of ours is not its fault. */
    static void start(EngineRoom room, PoolMember member, Duration timeout, Listener listener) {
        ProbeRun run = new ProbeRun(room, member.endpoint().backend(), timeout, listener);
        room.callback(run::ask);
    }

    private void ask() {
        begun = room.nanos();
        timer = room.scheduler().schedule("probe timeout", timeout.toNanos(), this::giveUp);
        try {
            var unused = backend.probe(timeout).whenComplete((result, failure) -> {
                if (failure == null) {
                    answer(result);
                } else {
                    answer(new ProbeResult(Status.UNHEALTHY, "the probe failed with " + failure));
                }
            });
        } catch (Throwable e) { // also an Error: a backend that cannot even be asked is not healthy
            answer(new ProbeResult(Status.UNHEALTHY, "the backend threw " + e));
        }
    }

    private void answer(ProbeResult result) {
        boolean inTime = result.status() != Status.UNHEALTHY || room.nanos() - begun < timeout.toNanos();
        if (ended.compareAndSet(false, true)) {
            AttemptTimers.cancel(timer);
            listener.probed(result, inTime, begun);
        } else {
            listener.late(result);
        }
    }

    private void giveUp() {
        if (ended.compareAndSet(false, true)) {
            String words = "no answer within " + timeout.toMillis() + " ms";
            listener.probed(new ProbeResult(Status.UNHEALTHY, words), false, begun);
        }
    }
}
