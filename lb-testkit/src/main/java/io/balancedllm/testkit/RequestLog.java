/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The requests a {@link MockLlmServer} got: how many, the latest of them, and those the test has not taken yet. */
final class RequestLog {
    private final Monitor monitor;
    // Under the monitor.
    private final Deque<ServedRequest> remembered = new ArrayDeque<>();
    private final Deque<ServedRequest> untaken = new ArrayDeque<>();
    private int count;

    RequestLog(Monitor monitor) {
        this.monitor = monitor;
    }

    void add(ServedRequest request) {
        monitor.update(() -> {
            count++;
            remember(request, remembered);
            if (request.method().equals("POST")) {
                remember(request, untaken);
            }
        });
    }

    private static void remember(ServedRequest request, Deque<ServedRequest> memory) {
        memory.add(request);
        if (memory.size() > MockLlmServer.MAX_REMEMBERED) {
            memory.remove();
        }
    }

    List<ServedRequest> remembered() {
        return monitor.read(() -> List.copyOf(remembered));
    }

    int count() {
        return monitor.read(() -> count);
    }

    ServedRequest take(Duration patience) {
        monitor.await(patience, () -> !untaken.isEmpty());
        ServedRequest request = monitor.<@Nullable ServedRequest>read(untaken::poll);
        if (request == null) {
            throw new AssertionError("no POST request came within " + patience + "; all there were: " + remembered());
        }
        return request;
    }
}
