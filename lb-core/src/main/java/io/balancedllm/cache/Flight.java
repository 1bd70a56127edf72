/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One generation and those who share it. {@code state} guards the fields; {@code delivery} is held while callers and the
 * upstream are called, one at a time, with {@code state} free. A thread that finds {@code delivery} taken leaves its work
 * to the holder, so nobody waits and a call back from within a call does not nest.
 */
final class Flight {
    /** Chunks asked for beyond what has come, so that a request for all can still be held back. */
    static final int WINDOW = 32;

    private final ReentrantLock state = new ReentrantLock();
    private final ReentrantLock delivery = new ReentrantLock();
    private final long maximumBytes;

    private final Set<Passenger> passengers = new LinkedHashSet<>();
    private final ArrayDeque<Passenger> ready = new ArrayDeque<>();
    private final Replay replay = new Replay();
    private Runnable landed = () -> {};
    private long requested;
    private boolean boarding = true;
    /** How the answer was made, once it is whole. */
    private @Nullable DecisionRecord whole;

    private boolean ended;
    private boolean work;
    private @Nullable FlightGeneration generation;
    private @Nullable LlmException failure;
    private int takeovers;

    Flight(long maximumBytes) {
        this.maximumBytes = maximumBytes;
    }

    /** {@return a seat, or null when the flight is closed to newcomers} */
    @Nullable
    Passenger board(SingleFlight.Caller caller, int demand, long deadline) {
        return read(() -> {
            if (!boarding) {
                return null;
            }
            boolean leads = passengers.isEmpty() && generation == null;
            Passenger passenger = new Passenger(this, caller, leads, demand, deadline);
            passengers.add(passenger);
            if (leads) {
                generation = new FlightGeneration(this, passenger);
            }
            enqueue(passenger);
            return passenger;
        });
    }

    void onLanding(Runnable landed) {
        boolean now = read(() -> {
            this.landed = landed;
            return !boarding;
        });
        if (now) {
            landed.run();
        }
    }

    void closeToNewcomers() {
        read(this::close);
    }

    // ---- the two locks ----

    /** {@return what is read, or changed without making work, with the state held} */
    <T extends @Nullable Object> T read(Supplier<T> access) {
        state.lock();
        try {
            return access.get();
        } finally {
            state.unlock();
        }
    }

    /** Changes the state and does what follows from it, if the change says that something does. */
    void change(BooleanSupplier change) {
        state.lock();
        try {
            if (!change.getAsBoolean()) {
                return;
            }
            work = true;
        } finally {
            state.unlock();
        }
        pump();
    }

    /** Does what is to be done, unless another thread is at it and will. */
    void pump() {
        while (read(() -> work) && delivery.tryLock()) {
            try {
                if (delivery.getHoldCount() > 1) {
                    return; // called back from within a call: the frame below goes on
                }
                for (Runnable next = next(); next != null; next = next()) {
                    next.run();
                }
            } finally {
                delivery.unlock();
            }
        }
    }

    /** {@return the next thing to do; null when there is none, and from then on a new one makes a new pump} */
    private @Nullable Runnable next() {
        return read(() -> {
            FlightGeneration current = generation;
            LlmException cause = failure;
            if (current != null && !current.led && !passengers.isEmpty()) {
                FlightGeneration led = passengers.contains(current.leader) ? current : ledByTheFirst();
                led.led = true;
                generation = led;
                return () -> lead(led);
            }
            Passenger passenger = ready.poll();
            if (passenger != null) {
                passenger.queued = false;
                return passenger::deliver;
            }
            if (cause != null) {
                failure = null;
                return () -> land(cause);
            }
            Runnable steering = current == null ? null : steer(current);
            work = steering != null;
            return steering;
        });
    }

    private FlightGeneration ledByTheFirst() {
        return new FlightGeneration(this, passengers.iterator().next());
    }

    // ---- what is done, with the state free ----

    private static void lead(FlightGeneration started) {
        try {
            started.leader.caller.lead(started);
        } catch (RuntimeException e) {
            started.failed(LlmException.builder(
                            LlmException.Reason.INTERNAL_ERROR, "the generation could not be started: " + e)
                    .cause(e)
                    .build());
        }
    }

    /** After a failure: those who were handed nothing begin anew under one of them, the others fail. */
    private void land(LlmException cause) {
        List<Passenger> all = aboard();
        Passenger leader = read(() -> generation == null ? null : generation.leader);
        boolean again = read(() -> mayGoOn(cause));
        List<Passenger> failed = new ArrayList<>();
        for (Passenger passenger : all) {
            if (!again || passenger == leader || !passenger.forget()) {
                failed.add(passenger);
            }
        }
        boolean over = read(() -> {
            failed.forEach(passengers::remove);
            replay.clear();
            requested = 0;
            work = true;
            if (passengers.isEmpty() || !again) {
                boarding = false;
                ended = true;
                return true;
            }
            takeovers++;
            boarding = true;
            generation = ledByTheFirst();
            return false;
        });
        if (over) {
            landed.run();
        }
        failed.forEach(passenger -> passenger.caller.failed(cause));
    }

    boolean delivered() {
        return aboard().stream().anyMatch(passenger -> passenger.caller.delivered());
    }

    /** Forgets what was handed over, if all can: the generation begins anew. */
    boolean discard(FlightGeneration discarding) {
        delivery.lock();
        try {
            if (!read(() -> listensTo(discarding) && replay.fromTheBeginning())) {
                return false;
            }
            boolean forgotten = true;
            for (Passenger passenger : aboard()) {
                forgotten &= passenger.forget();
            }
            boolean all = forgotten;
            read(() -> {
                if (all) {
                    replay.clear();
                    requested = 0;
                }
                return enqueueAll();
            });
            return forgotten;
        } finally {
            delivery.unlock();
            pump();
        }
    }

    private List<Passenger> aboard() {
        return read(() -> List.copyOf(passengers));
    }

    // ---- with the state held ----

    Replay replay() {
        return replay;
    }

    boolean carries(Passenger passenger) {
        return passengers.contains(passenger);
    }

    boolean listensTo(FlightGeneration fed) {
        return generation == fed && !fed.over;
    }

    /** Whatever is asked to be looked after makes work. */
    boolean enqueue(Passenger passenger) {
        work = true;
        if (!passenger.queued) {
            passenger.queued = true;
            ready.add(passenger);
        }
        return true;
    }

    private boolean enqueueAll() {
        passengers.forEach(this::enqueue);
        return true;
    }

    boolean disembark(Passenger passenger) {
        boolean was = passengers.remove(passenger);
        if (was && passengers.isEmpty()) {
            close();
        }
        return was;
    }

    /** {@return how the answer was made, when a passenger was handed all of it and leaves with that} */
    @Nullable
    DecisionRecord landed(Passenger passenger) {
        return ended && passenger.position >= replay.end() && passengers.remove(passenger) ? whole : null;
    }

    boolean came(CompletionChunk chunk) {
        replay.add(chunk);
        requested = Math.max(requested, replay.end());
        if (boarding && replay.bytes() > maximumBytes) {
            close();
        }
        return enqueueAll();
    }

    boolean completed(DecisionRecord decision) {
        ended = true;
        whole = decision;
        close();
        return enqueueAll();
    }

    boolean failed(LlmException cause) {
        failure = cause;
        if (!mayGoOn(cause)) {
            close();
        }
        return true;
    }

    private boolean close() {
        boarding = false;
        landed.run();
        return true;
    }

    /** What the upstream must be told next. */
    private @Nullable Runnable steer(FlightGeneration current) {
        SingleFlight.Upstream upstream = current.upstream;
        if (upstream == null || current.over) {
            return null;
        }
        if (passengers.isEmpty()) {
            current.over = true;
            return upstream::cancel;
        }
        long deadline = passengers.stream()
                .mapToLong(seat -> seat.deadline)
                .reduce(Flight::later)
                .orElseThrow();
        if (deadline != current.deadline) {
            current.deadline = deadline;
            return () -> upstream.deadline(deadline);
        }
        trim();
        long wanted = passengers.stream().mapToLong(Passenger::wanted).max().orElse(0);
        long bound = replay.bytes() < maximumBytes ? replay.end() + WINDOW : replay.end();
        int more = (int) (Math.min(wanted, bound) - requested);
        if (more <= 0 || (wanted > bound && more < WINDOW / 2 && requested > replay.end())) {
            return null; // enough is on its way; not one request for each chunk
        }
        requested += more;
        return () -> upstream.request(more);
    }

    private static long later(long one, long other) {
        if (one == SingleFlight.NO_DEADLINE || other == SingleFlight.NO_DEADLINE) {
            return SingleFlight.NO_DEADLINE;
        }
        return one - other > 0 ? one : other;
    }

    /** Drops what everybody has, once nobody can join any more. */
    private void trim() {
        if (!boarding) {
            replay.dropBefore(
                    passengers.stream().mapToLong(seat -> seat.position).min().orElse(replay.end()));
        }
    }

    /** Whether the failure may spare another leader: a matter of endpoints or of the caller, not of the request. */
    private boolean mayGoOn(LlmException cause) {
        if (!replay.fromTheBeginning() || takeovers >= SingleFlight.MAX_TAKEOVERS) {
            return false;
        }
        return cause.retryable()
                || switch (cause.reason()) {
                    case CANCELLED, DEADLINE_EXCEEDED, READER_STALLED, REJECTED -> true;
                    default -> false;
                };
    }
}
