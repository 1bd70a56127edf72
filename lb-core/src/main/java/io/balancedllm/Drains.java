/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** The drains of a pool that are under way, with their time limits and who waits for them. Guarded by the pool's lock. */
final class Drains {
    private final Object lock;
    private final PoolOwner owner;
    private final BiConsumer<PoolEvent.Kind, PoolMember> tell;
    private final Map<PoolMember, Drain> running = new HashMap<>();

    Drains(Object lock, PoolOwner owner, BiConsumer<PoolEvent.Kind, PoolMember> tell) {
        this.lock = lock;
        this.owner = owner;
        this.tell = tell;
    }

    /** Begins the drain of a member, or joins the one under way and replaces its timeout. Holds no lock afterwards. */
    CompletableFuture<Boolean> start(PoolMember member, @Nullable Duration timeout) {
        synchronized (lock) {
            Drain drain = running.get(member);
            if (drain == null) {
                drain = new Drain();
                running.put(member, drain);
                member.state(EndpointState.DRAINING);
                tell.accept(PoolEvent.Kind.DRAINING, member);
            }
            EngineRoom engine = owner.room();
            if (timeout != null && engine != null) {
                Drain current = drain;
                drain.cancelTimer();
                drain.timer = engine.scheduler().schedule("drain", timeout.toNanos(), () -> timeOut(member, current));
            }
            return drain.done;
        }
    }

    private void timeOut(PoolMember member, Drain drain) {
        EngineRoom engine = owner.room();
        synchronized (lock) {
            if (running.get(member) != drain) {
                return;
            }
            drain.clean = false;
            member.evicting(true);
        }
        if (engine != null) {
            engine.evict(member);
        }
    }

    /** Ends the drain of a member that is to take attempts again. */
    void resume(PoolMember member) {
        synchronized (lock) {
            Drain drain = running.remove(member);
            if (member.state() != EndpointState.DRAINING) {
                return;
            }
            member.evicting(false);
            member.state(EndpointState.ACTIVE);
            tell.accept(PoolEvent.Kind.RESUMED, member);
            if (drain != null) {
                drain.cancelTimer();
                complete(drain, false);
            }
        }
    }

    /** Ends the drain of a member that has no attempt left. */
    void finishIfIdle(PoolMember member) {
        Drain drain;
        synchronized (lock) {
            if (member.inFlight() != 0) {
                return;
            }
            drain = running.remove(member);
            if (drain == null) {
                return;
            }
            tell.accept(PoolEvent.Kind.DRAINED, member);
            drain.cancelTimer();
        }
        complete(drain, drain.clean);
    }

    private void complete(Drain drain, boolean clean) {
        owner.callback(() -> drain.done.complete(clean));
    }

    private static final class Drain {
        final CompletableFuture<Boolean> done = new CompletableFuture<>();
        boolean clean = true;
        Scheduler.@Nullable Timer timer;

        void cancelTimer() {
            if (timer != null) {
                timer.cancel();
                timer = null;
            }
        }
    }
}
