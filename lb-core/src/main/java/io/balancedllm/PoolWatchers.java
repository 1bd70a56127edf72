/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.event.PoolEvent;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Who is told about changes of a pool: one change at a time, in order. Thread-safe. */
final class PoolWatchers {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointPool.class);

    private final List<Consumer<PoolEvent>> watchers = new CopyOnWriteArrayList<>();
    private final SerialExecutor events;

    /** Watchers that run on this executor. */
    PoolWatchers(Executor userCode) {
        this.events = new SerialExecutor(userCode);
    }

    EndpointPool.Watch add(Consumer<PoolEvent> watcher) {
        watchers.add(watcher);
        return () -> watchers.remove(watcher);
    }

    void tell(PoolEvent event) {
        events.execute(() -> {
            for (Consumer<PoolEvent> watcher : watchers) {
                try {
                    watcher.accept(event);
                } catch (Throwable e) {
                    LOG.warn("a watcher of the pool failed at {}", event, e);
                }
            }
        });
    }
}
