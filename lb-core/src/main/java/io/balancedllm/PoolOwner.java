/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * The balancer that a pool belongs to, from when it has one; until then nothing waits for room, nobody is judged, and what
 * it would run runs at once. Thread-safe; it gets its balancer with the pool's lock.
 */
final class PoolOwner {
    private final @Nullable Duration reportInterval;
    private volatile @Nullable EngineRoom room;
    private volatile @Nullable LoadReports reports;

    /** Nobody yet; engines are to be asked for their load at this interval, or never. */
    PoolOwner(@Nullable Duration reportInterval) {
        this.reportInterval = reportInterval;
    }

    void attach(EngineRoom engine) {
        if (room != null) {
            throw new IllegalStateException("the pool belongs to another BalancedLlm: build one pool for each");
        }
        room = engine;
        if (reportInterval != null) {
            reports = new LoadReports(engine, reportInterval);
        }
    }

    @Nullable
    EngineRoom room() {
        return room;
    }

    /** Makes a new member known. */
    void joined(PoolMember member) {
        EngineRoom engine = room;
        if (engine != null) {
            engine.joined(member);
            LoadReports asking = reports;
            if (asking != null) {
                asking.joined(member);
            }
        }
    }

    /** Begins to judge a member. */
    void judge(PoolMember member) {
        EngineRoom engine = room;
        MemberHealth judge = member.health();
        if (engine != null && judge != null) {
            judge.begin(engine);
        }
    }

    void left(PoolMember member) {
        EngineRoom engine = room;
        if (engine != null) {
            engine.statistics().endpointRemoved(member.recorder());
        }
    }

    void capacityChanged() {
        EngineRoom engine = room;
        if (engine != null) {
            engine.capacityChanged();
        }
    }

    /** Runs user code that does not block: on the loop. */
    void loop(Runnable task) {
        EngineRoom engine = room;
        if (engine == null) {
            task.run();
        } else {
            engine.loop().execute(task);
        }
    }

    /** Runs a task that may block, or that completes what user code hangs on: on the callback pool. */
    void callback(Runnable task) {
        EngineRoom engine = room;
        if (engine == null) {
            task.run();
        } else {
            engine.callback(task);
        }
    }
}
