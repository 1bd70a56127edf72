/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Makes one generation of identical requests that are made at the same time. The first caller leads: it starts the
 * generation and feeds it in here. The others follow: each is given what was generated so far, then what comes, as fast
 * as it asks for more. Thread-safe; holds no thread and never blocks on a caller.
 *
 * <ul>
 *   <li>A caller that leaves takes nothing with it: the generation goes on while one caller is left, the leader or not,
 *       and is cancelled when the last one leaves.
 *   <li>When the generation fails, the leader and all that were handed some of the answer fail with it. Of the others one
 *       takes over and leads a new generation, at most {@link #MAX_TAKEOVERS} times; errors that would meet it too fail
 *       everybody.
 *   <li>The generation is asked for as much as the fastest caller wants. What is kept for the slower ones is bounded: once
 *       an answer is longer than that, nobody joins it any more, and the slowest caller sets the pace.
 *   <li>The generation may take as long as the most patient caller.
 * </ul>
 */
public final class SingleFlight {
    /** Bytes of an answer that are kept for replay when nothing else is said: 1 MiB. */
    public static final long DEFAULT_MAXIMUM_REPLAY_BYTES = 1L << 20;
    /** A deadline for callers that have none. */
    public static final long NO_DEADLINE = Long.MAX_VALUE;

    /** How often a follower may lead on after a failure. */
    static final int MAX_TAKEOVERS = 1;

    private final ConcurrentHashMap<String, Flight> flights = new ConcurrentHashMap<>();
    private final long maximumReplayBytes;

    /**
     * No flights yet.
     *
     * @param maximumReplayBytes how much of one answer is kept for those who join it, above 0; as much as the largest
     *     answer the cache would store
     */
    public SingleFlight(long maximumReplayBytes) {
        if (maximumReplayBytes <= 0) {
            throw new IllegalArgumentException("maximumReplayBytes must be above 0, got " + maximumReplayBytes);
        }
        this.maximumReplayBytes = maximumReplayBytes;
    }

    /**
     * Joins the generation for a request, or starts one. Before this returns, the caller may be asked to lead and be given
     * chunks.
     *
     * @param key what is asked, and for whom
     * @param caller who asks
     * @param demand chunks the caller takes at once, 0 or more; {@link Integer#MAX_VALUE} for all
     * @param deadlineNanos until when the caller waits, on the ticker of the caller's choice; or {@link #NO_DEADLINE}
     * @return the caller's seat
     */
    public Seat join(CacheKey key, Caller caller, int demand, long deadlineNanos) {
        while (true) {
            Flight flight = flights.computeIfAbsent(key.exact(), exact -> new Flight(maximumReplayBytes));
            Passenger seat = flight.board(caller, demand, deadlineNanos);
            if (seat != null) {
                flight.onLanding(() -> flights.remove(key.exact(), flight));
                flight.pump();
                return seat;
            }
            flights.remove(key.exact(), flight);
        }
    }

    /**
     * Starts a generation that nobody joins.
     *
     * @param caller who asks
     * @param demand chunks the caller takes at once, 0 or more; {@link Integer#MAX_VALUE} for all
     * @param deadlineNanos until when the caller waits, or {@link #NO_DEADLINE}
     * @return the caller's seat
     */
    public Seat alone(Caller caller, int demand, long deadlineNanos) {
        Flight flight = new Flight(maximumReplayBytes);
        Passenger seat = Objects.requireNonNull(flight.board(caller, demand, deadlineNanos), "a new flight");
        flight.closeToNewcomers();
        flight.pump();
        return seat;
    }

    /** {@return how many generations can be joined, about} */
    public int flights() {
        return flights.size();
    }

    /** One call that wants the answer. Called by one thread at a time; must not block. */
    public interface Caller {
        /**
         * Starts a generation, which is fed into {@code feed} and is not the caller's alone: it must go on when the caller
         * is cancelled.
         */
        void lead(Feed feed);

        /** Takes a chunk. */
        void chunk(CompletionChunk chunk);

        /** Forgets all chunks; false when some of the answer was handed on, and nothing is forgotten. */
        boolean discard();

        /** {@return whether some of the answer was handed on} */
        boolean delivered();

        /**
         * The answer is complete.
         *
         * @param decision how the generation was made
         */
        void completed(DecisionRecord decision);

        /** There will be no answer, or no more of it. */
        void failed(LlmException cause);
    }

    /** The seat of a caller. Thread-safe. */
    public interface Seat {
        /** {@return whether the caller was the first, and leads} */
        boolean leads();

        /** Asks for more chunks, at least 1. */
        void request(int chunks);

        /** Leaves: the caller is not called any more, but for a call that is running. Idempotent. */
        void leave();
    }

    /** Where a generation is fed in. Chunks and the end come from one thread at a time. */
    public interface Feed {
        /** The generation has begun and can be steered. At most once, at any time before the end. */
        void started(Upstream upstream);

        /** The next chunk. */
        void chunk(CompletionChunk chunk);

        /** Forgets all chunks, to begin anew; false when some of the answer was handed on, and nothing is forgotten. */
        boolean discard();

        /** {@return whether some of the answer was handed on by somebody} */
        boolean delivered();

        /**
         * The answer is complete.
         *
         * @param decision how the generation was made
         */
        void completed(DecisionRecord decision);

        /** There will be no more of the answer. */
        void failed(LlmException cause);
    }

    /** A generation, as it is steered. All methods return at once. */
    public interface Upstream {
        /** Asks for more chunks, at least 1. */
        void request(int chunks);

        /** Nobody wants the answer any more. */
        void cancel();

        /** The most patient caller waits until then, or {@link #NO_DEADLINE}. */
        void deadline(long nanos);
    }
}
