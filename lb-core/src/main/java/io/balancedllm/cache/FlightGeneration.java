/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import org.jspecify.annotations.Nullable;

/** One run of the model for a {@link Flight}, whose lock guards what changes here. */
final class FlightGeneration implements SingleFlight.Feed {
    final Passenger leader;
    /** Whether the leader was asked to start it. */
    boolean led;
    /** Whether nothing more is wanted of it, or comes. */
    boolean over;
    /** What the upstream was told last. */
    long deadline;

    SingleFlight.@Nullable Upstream upstream;

    private final Flight flight;

    FlightGeneration(Flight flight, Passenger leader) {
        this.flight = flight;
        this.leader = leader;
        this.deadline = leader.deadline;
    }

    @Override
    public void started(SingleFlight.Upstream upstream) {
        flight.change(() -> {
            this.upstream = upstream;
            return true;
        });
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        flight.change(() -> flight.listensTo(this) && flight.came(chunk));
    }

    @Override
    public boolean discard() {
        return flight.discard(this);
    }

    @Override
    public boolean delivered() {
        return flight.delivered();
    }

    @Override
    public void completed(DecisionRecord decision) {
        flight.change(() -> {
            boolean heard = flight.listensTo(this);
            over |= heard;
            return heard && flight.completed(decision);
        });
    }

    @Override
    public void failed(LlmException cause) {
        flight.change(() -> {
            boolean heard = flight.listensTo(this);
            over |= heard;
            return heard && flight.failed(cause);
        });
    }
}
