/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import org.jspecify.annotations.Nullable;

/** One caller's place in a {@link Flight}, whose lock guards what changes here. */
final class Passenger implements SingleFlight.Seat {
    final SingleFlight.Caller caller;
    final long deadline;
    /** Position of the chunk it is given next. */
    long position;
    /** Whether the flight is about to look after it. */
    boolean queued;

    private final Flight flight;
    private final boolean leads;
    private long demand;

    Passenger(Flight flight, SingleFlight.Caller caller, boolean leads, int demand, long deadline) {
        this.flight = flight;
        this.caller = caller;
        this.leads = leads;
        this.demand = demand;
        this.deadline = deadline;
    }

    @Override
    public boolean leads() {
        return leads;
    }

    long wanted() {
        return position + demand;
    }

    @Override
    public void request(int chunks) {
        if (chunks <= 0) {
            throw new IllegalArgumentException("chunks must be above 0, got " + chunks);
        }
        flight.change(() -> {
            demand = Math.min(Integer.MAX_VALUE, demand + chunks);
            return flight.carries(this) && flight.enqueue(this);
        });
    }

    @Override
    public void leave() {
        flight.change(() -> flight.disembark(this));
    }

    /** Hands over what is there and wanted, and the end. */
    void deliver() {
        try {
            for (CompletionChunk chunk = take(); chunk != null; chunk = take()) {
                caller.chunk(chunk);
            }
            DecisionRecord decision = flight.read(() -> flight.landed(this));
            if (decision != null) {
                caller.completed(decision);
            }
        } catch (RuntimeException e) {
            leave();
            caller.failed(LlmException.builder(LlmException.Reason.INTERNAL_ERROR, "a chunk could not be taken: " + e)
                    .cause(e)
                    .build());
        }
    }

    private @Nullable CompletionChunk take() {
        return flight.read(() -> {
            if (demand == 0
                    || !flight.carries(this)
                    || position >= flight.replay().end()) {
                return null;
            }
            CompletionChunk chunk = flight.replay().get(position);
            position++;
            demand -= demand == Integer.MAX_VALUE ? 0 : 1;
            return chunk;
        });
    }

    /** Asks the caller to forget what it has; then it is given all of it again, or something else. */
    boolean forget() {
        boolean forgotten = position == 0 || caller.discard();
        if (forgotten) {
            flight.read(() -> {
                demand = Math.min(Integer.MAX_VALUE, demand + position);
                position = 0;
                return true;
            });
        }
        return forgotten;
    }
}
