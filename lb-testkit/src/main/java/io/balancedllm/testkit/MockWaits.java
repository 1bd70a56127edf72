/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.testkit.ScriptPlayer.ClientGoneException;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.function.BooleanSupplier;

/**
 * Where the answers of a {@link MockLlmServer} wait: pauses, which the scheduler ends, and stalls, which the test ends. Its
 * state is under the server's monitor.
 */
final class MockWaits implements ScriptPlayer.Waiting {
    private final Monitor monitor;
    private final Scheduler scheduler;
    private final Set<ServedRequest> stalled = new HashSet<>();
    private long releases;

    MockWaits(Monitor monitor, Scheduler scheduler) {
        this.monitor = monitor;
        this.scheduler = scheduler;
    }

    /** Lets every answer go on that is stalled now. */
    void release() {
        monitor.update(() -> {
            releases++;
            stalled.forEach(request -> request.stalled(false)); // at once: a stall that follows is another one
            stalled.clear();
        });
    }

    @Override
    public void pause(Duration duration, BooleanSupplier clientGone) throws ClientGoneException {
        boolean[] over = new boolean[1];
        Scheduler.Timer timer = scheduler.schedule(
                MockLlmServer.PAUSE_TIMER, duration.toNanos(), () -> monitor.update(() -> over[0] = true));
        await(() -> over[0], clientGone);
        timer.cancel();
    }

    @Override
    public void stall(ServedRequest request, BooleanSupplier clientGone) throws ClientGoneException {
        long before = monitor.read(() -> {
            stalled.add(request);
            request.stalled(true);
            return releases;
        });
        try {
            await(() -> releases != before, clientGone);
        } finally {
            monitor.update(() -> stalled.remove(request));
        }
    }

    private void await(BooleanSupplier over, BooleanSupplier clientGone) throws ClientGoneException {
        monitor.awaitUninterruptibly(() -> over.getAsBoolean() || clientGone.getAsBoolean());
        if (!monitor.read(over::getAsBoolean)) {
            throw new ClientGoneException();
        }
    }
}
