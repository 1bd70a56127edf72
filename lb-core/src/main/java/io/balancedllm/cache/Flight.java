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
    private final List<CompletionChunk> chunks = new ArrayList<>();
    private Runnable landed = () -> {};
    /** Position of the first chunk that is kept; above 0 once the answer was too long to be joined. */
    private long first;

    private long bytes;
    private long requested;
    private boolean boarding = true;
    /** How the answer was made, once it is whole. */
    private @Nullable DecisionRecord whole;

    private boolean ended;
    private boolean work;
    private @Nullable Generation generation;
    private @Nullable LlmException failure;
    private int takeovers;

    Flight(long maximumBytes) {
        this.maximumBytes = maximumBytes;
    }

    /** {@return a seat, or null when the flight is closed to newcomers} */
    @Nullable
    Passenger board(SingleFlight.Caller caller, int demand, long deadline) {
        state.lock();
        try {
            if (!boarding) {
                return null;
            }
            Passenger passenger = new Passenger(caller, passengers.isEmpty() && generation == null, demand, deadline);
            passengers.add(passenger);
            if (passenger.leads) {
                generation = new Generation(passenger);
            }
            enqueue(passenger);
            return passenger;
        } finally {
            state.unlock();
        }
    }

    void onLanding(Runnable landed) {
        boolean now;
        state.lock();
        try {
            this.landed = landed;
            now = !boarding;
        } finally {
            state.unlock();
        }
        if (now) {
            landed.run();
        }
    }

    /** Does what is to be done, unless another thread is at it and will. */
    void pump() {
        while (hasWork() && delivery.tryLock()) {
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

    private boolean hasWork() {
        state.lock();
        try {
            return work;
        } finally {
            state.unlock();
        }
    }

    /** {@return the next thing to do; null when there is none, and from then on a new one makes a new pump} */
    private @Nullable Runnable next() {
        state.lock();
        try {
            Generation current = generation;
            LlmException cause = failure;
            if (current != null && !current.led && !passengers.isEmpty()) {
                Generation led = passengers.contains(current.leader)
                        ? current
                        : new Generation(passengers.iterator().next());
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
        } finally {
            state.unlock();
        }
    }

    private void lead(Generation started) {
        try {
            started.leader.caller.lead(started);
        } catch (RuntimeException e) {
            started.failed(LlmException.builder(
                            LlmException.Reason.INTERNAL_ERROR, "the generation could not be started: " + e)
                    .cause(e)
                    .build());
        }
    }

    /** What the upstream must be told next. */
    private @Nullable Runnable steer(Generation current) {
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
        long produced = first + chunks.size();
        long wanted = passengers.stream().mapToLong(Passenger::wanted).max().orElse(0);
        long bound = bytes < maximumBytes ? produced + WINDOW : produced;
        int more = (int) (Math.min(wanted, bound) - requested);
        if (more <= 0 || (wanted > bound && more < WINDOW / 2 && requested > produced)) {
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
        if (boarding) {
            return;
        }
        long oldest = passengers.stream().mapToLong(seat -> seat.position).min().orElse(first + chunks.size());
        List<CompletionChunk> passed = chunks.subList(0, (int) (oldest - first));
        bytes -= passed.stream().mapToLong(StoredAnswer::bytesOf).sum();
        passed.clear();
        first = oldest;
    }

    /** After a failure: those who were handed nothing begin anew under one of them, the others fail. */
    private void land(LlmException cause) {
        List<Passenger> all;
        Passenger leader;
        boolean again;
        state.lock();
        try {
            all = List.copyOf(passengers);
            leader = generation == null ? null : generation.leader;
            again = mayGoOn(cause);
        } finally {
            state.unlock();
        }
        List<Passenger> failed = new ArrayList<>();
        for (Passenger passenger : all) {
            if (!again || passenger == leader || !passenger.forget()) {
                failed.add(passenger);
            }
        }
        boolean over;
        state.lock();
        try {
            failed.forEach(passengers::remove);
            over = passengers.isEmpty() || !again;
            chunks.clear();
            bytes = 0;
            requested = 0;
            if (over) {
                boarding = false;
                ended = true;
            } else {
                takeovers++;
                boarding = true;
                generation = new Generation(passengers.iterator().next());
            }
            work = true;
        } finally {
            state.unlock();
        }
        if (over) {
            landed.run();
        }
        failed.forEach(passenger -> passenger.fail(cause));
    }

    /** Whether the failure may spare another leader: a matter of endpoints or of the caller, not of the request. */
    private boolean mayGoOn(LlmException cause) {
        if (first > 0 || takeovers >= SingleFlight.MAX_TAKEOVERS) {
            return false;
        }
        return cause.retryable()
                || switch (cause.reason()) {
                    case CANCELLED, DEADLINE_EXCEEDED, READER_STALLED, REJECTED -> true;
                    default -> false;
                };
    }

    private void enqueue(Passenger passenger) {
        work = true;
        if (!passenger.queued) {
            passenger.queued = true;
            ready.add(passenger);
        }
    }

    private void close() {
        boarding = false;
        landed.run();
    }

    void closeToNewcomers() {
        state.lock();
        try {
            close();
        } finally {
            state.unlock();
        }
    }

    /** One run of the model for this flight; those before it are not listened to any more. */
    final class Generation implements SingleFlight.Feed {
        private final Passenger leader;
        private boolean led;
        private boolean over;
        private long deadline;
        private SingleFlight.@Nullable Upstream upstream;

        Generation(Passenger leader) {
            this.leader = leader;
            this.deadline = leader.deadline;
        }

        @Override
        public void started(SingleFlight.Upstream upstream) {
            state.lock();
            try {
                this.upstream = upstream;
                work = true;
            } finally {
                state.unlock();
            }
            pump();
        }

        @Override
        public void chunk(CompletionChunk chunk) {
            state.lock();
            try {
                if (generation != this || over) {
                    return;
                }
                chunks.add(chunk);
                bytes += StoredAnswer.bytesOf(chunk);
                requested = Math.max(requested, first + chunks.size());
                if (boarding && bytes > maximumBytes) {
                    close();
                }
                passengers.forEach(Flight.this::enqueue);
                work = true;
            } finally {
                state.unlock();
            }
            pump();
        }

        @Override
        public boolean discard() {
            delivery.lock();
            try {
                List<Passenger> all;
                state.lock();
                try {
                    if (generation != this || over || first > 0) {
                        return false;
                    }
                    all = List.copyOf(passengers);
                } finally {
                    state.unlock();
                }
                boolean forgotten = true;
                for (Passenger passenger : all) {
                    forgotten &= passenger.forget();
                }
                state.lock();
                try {
                    if (forgotten) {
                        chunks.clear();
                        bytes = 0;
                        requested = 0;
                    }
                    passengers.forEach(Flight.this::enqueue);
                } finally {
                    state.unlock();
                }
                return forgotten;
            } finally {
                delivery.unlock();
                pump();
            }
        }

        @Override
        public boolean delivered() {
            List<Passenger> all;
            state.lock();
            try {
                all = List.copyOf(passengers);
            } finally {
                state.unlock();
            }
            return all.stream().anyMatch(passenger -> passenger.caller.delivered());
        }

        @Override
        public void completed(DecisionRecord decision) {
            state.lock();
            try {
                if (generation != this || over) {
                    return;
                }
                over = true;
                ended = true;
                whole = decision;
                close();
                passengers.forEach(Flight.this::enqueue);
                work = true;
            } finally {
                state.unlock();
            }
            pump();
        }

        @Override
        public void failed(LlmException cause) {
            state.lock();
            try {
                if (generation != this || over) {
                    return;
                }
                over = true;
                failure = cause;
                if (!mayGoOn(cause)) {
                    close();
                }
                work = true;
            } finally {
                state.unlock();
            }
            pump();
        }
    }

    /** One caller's place in the flight. */
    final class Passenger implements SingleFlight.Seat {
        private final SingleFlight.Caller caller;
        private final boolean leads;
        private final long deadline;
        /** Position of the chunk it is given next. */
        private long position;

        private long demand;
        private boolean queued;

        Passenger(SingleFlight.Caller caller, boolean leads, int demand, long deadline) {
            this.caller = caller;
            this.leads = leads;
            this.demand = demand;
            this.deadline = deadline;
        }

        @Override
        public boolean leads() {
            return leads;
        }

        private long wanted() {
            return position + demand;
        }

        @Override
        public void request(int chunks) {
            if (chunks <= 0) {
                throw new IllegalArgumentException("chunks must be above 0, got " + chunks);
            }
            state.lock();
            try {
                demand = Math.min(Integer.MAX_VALUE, demand + chunks);
                if (passengers.contains(this)) {
                    enqueue(this);
                }
            } finally {
                state.unlock();
            }
            pump();
        }

        @Override
        public void leave() {
            state.lock();
            try {
                if (!passengers.remove(this)) {
                    return;
                }
                if (passengers.isEmpty()) {
                    close();
                }
                work = true;
            } finally {
                state.unlock();
            }
            pump();
        }

        /** Hands over what is there and wanted, and the end. */
        private void deliver() {
            try {
                for (CompletionChunk chunk = take(); chunk != null; chunk = take()) {
                    caller.chunk(chunk);
                }
                DecisionRecord decision = atTheEnd();
                if (decision != null) {
                    caller.completed(decision);
                }
            } catch (RuntimeException e) {
                leave();
                fail(LlmException.builder(LlmException.Reason.INTERNAL_ERROR, "a chunk could not be taken: " + e)
                        .cause(e)
                        .build());
            }
        }

        private @Nullable CompletionChunk take() {
            state.lock();
            try {
                if (demand == 0 || !passengers.contains(this) || position >= first + chunks.size()) {
                    return null;
                }
                CompletionChunk chunk = chunks.get((int) (position - first));
                position++;
                demand -= demand == Integer.MAX_VALUE ? 0 : 1;
                return chunk;
            } finally {
                state.unlock();
            }
        }

        /** {@return how the answer was made, when all of it was handed over now} */
        private @Nullable DecisionRecord atTheEnd() {
            state.lock();
            try {
                return ended && position >= first + chunks.size() && passengers.remove(this) ? whole : null;
            } finally {
                state.unlock();
            }
        }

        /** Asks the caller to forget what it has; then it is given all of it again, or something else. */
        private boolean forget() {
            boolean forgotten = position == 0 || caller.discard();
            if (forgotten) {
                state.lock();
                try {
                    demand = Math.min(Integer.MAX_VALUE, demand + position);
                    position = 0;
                } finally {
                    state.unlock();
                }
            }
            return forgotten;
        }

        private void fail(LlmException cause) {
            caller.failed(cause);
        }
    }
}
