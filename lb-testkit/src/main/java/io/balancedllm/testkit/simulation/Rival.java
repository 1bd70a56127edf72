/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.AttemptEvent;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.random.RandomGenerator;

/**
 * A policy to compare with, on the books that published routers keep: what they sent where, what of it has no first
 * token yet, and which blocks they believe to be cached there. Tokens and blocks are the exact ones of the trace, which
 * is kinder than any tokenizer. Not thread-safe, so only for simulations: a pick is taken to be dispatched at once.
 */
abstract class Rival implements RoutingPolicy {
    private static final double SAME = 1e-12;

    /** What a router believes to be cached. */
    enum View {
        /** Nothing. */
        NONE,
        /** What it sent there lately, as much as the engine has memory for. */
        OWN_HISTORY,
        /** What is there, as from cache events without delay. */
        EXACT
    }

    /** What is kept for an engine. */
    static final class Replica {
        final SimulatedEngine engine;
        final BlockLru index;
        /** How many attempts in flight use a block. */
        final BlockTable active = new BlockTable();

        final List<Ticket> pending = new ArrayList<>();
        double pendingTokens;
        double contextTokens;
        long virtualCompletion;

        Replica(SimulatedEngine engine, int kvBlocks) {
            this.engine = engine;
            this.index = new BlockLru(kvBlocks);
        }
    }

    /** An attempt on its way. */
    static final class Ticket {
        final PromptShape prompt;
        final Replica replica;
        final int hits;
        double seconds;

        Ticket(PromptShape prompt, Replica replica, int hits) {
            this.prompt = prompt;
            this.replica = replica;
            this.hits = hits;
        }

        int newTokens() {
            return prompt.tokens - hits * SimulatedPrompt.BLOCK_TOKENS;
        }
    }

    /** One choice to make. */
    static final class Choice {
        final RoutingContext call;
        final Candidates candidates;
        final PromptShape prompt;
        final Replica[] replicas;
        final int[] inFlight;
        final int[] hits;

        Choice(RoutingContext call, Candidates candidates, PromptShape prompt) {
            this.call = call;
            this.candidates = candidates;
            this.prompt = prompt;
            this.replicas = new Replica[candidates.size()];
            this.inFlight = new int[candidates.size()];
            this.hits = new int[candidates.size()];
        }

        int size() {
            return replicas.length;
        }

        int newTokens(int candidate) {
            return prompt.tokens - hits[candidate] * SimulatedPrompt.BLOCK_TOKENS;
        }

        RandomGenerator random() {
            return call.random();
        }

        void term(int candidate, String name, double value) {
            if (call.trace().enabled()) {
                call.trace().term(candidates.get(candidate), name, value);
            }
        }

        /** {@return the one with the smallest number, chance deciding between equals} */
        int least(double[] numbers) {
            int least = 0;
            int equals = 0;
            double smallest = Double.POSITIVE_INFINITY;
            for (int i = 0; i < numbers.length; i++) {
                if (numbers[i] < smallest - SAME) {
                    smallest = numbers[i];
                    least = i;
                    equals = 1;
                } else if (numbers[i] <= smallest + SAME && random().nextInt(++equals) == 0) {
                    least = i;
                }
            }
            return least;
        }

        int leastConnections() {
            double[] counts = new double[inFlight.length];
            for (int i = 0; i < counts.length; i++) {
                counts[i] = inFlight[i];
                term(i, "in flight", counts[i]);
            }
            return least(counts);
        }
    }

    final SimulatedFleet fleet;
    private final View view;
    private final boolean countsActive;
    private final EndpointLocal<Replica> replicas;
    private final Queue<Ticket> picked = new ArrayDeque<>();
    private final Map<String, Ticket> running = new HashMap<>();

    Rival(SimulatedFleet fleet, View view, boolean countsActive) {
        this.fleet = fleet;
        this.view = view;
        this.countsActive = countsActive;
        this.replicas = EndpointLocal.withInitial(endpoint -> new Replica(fleet.engine(endpoint), fleet.kvBlocks()));
    }

    /** {@return which candidate} */
    abstract int choose(Choice choice);

    /** Is told what was chosen, before it is dispatched. */
    void chosen(Ticket ticket, long nowNanos) {}

    /** Is told of a first token, or of the end of what never had one; the ticket is not pending any more. */
    void computed(Ticket ticket, long nowNanos) {}

    /** Is told that an attempt is over. */
    void ended(Ticket ticket) {}

    @Override
    public final EndpointView pick(RoutingContext call, Candidates candidates) {
        PromptShape prompt = fleet.prompt(call);
        Choice choice = new Choice(call, candidates, prompt);
        for (int i = 0; i < choice.size(); i++) {
            EndpointView candidate = candidates.get(i);
            choice.replicas[i] = candidate.local(replicas);
            choice.inFlight[i] = candidate.inFlight();
            choice.hits[i] = hits(choice.replicas[i], prompt);
        }
        int winner = choose(choice);
        Ticket ticket = new Ticket(prompt, choice.replicas[winner], choice.hits[winner]);
        Replica replica = ticket.replica;
        chosen(ticket, call.nowNanos());
        replica.pendingTokens += ticket.newTokens();
        replica.pending.add(ticket);
        if (view == View.OWN_HISTORY) {
            replica.index.addAll(prompt.blocks);
        }
        if (countsActive) {
            for (long block : prompt.blocks) {
                replica.active.put(block, replica.active.get(block) + 1);
            }
        }
        picked.add(ticket);
        return candidates.get(winner);
    }

    private int hits(Replica replica, PromptShape prompt) {
        return switch (view) {
            case NONE -> 0;
            case OWN_HISTORY -> replica.index.prefix(prompt.blocks, prompt.reusableBlocks);
            case EXACT -> replica.engine.cachedBlocks(prompt);
        };
    }

    @Override
    public final void observe(AttemptEvent event) {
        String attempt = event.callId() + "#" + event.attempt();
        if (event instanceof AttemptEvent.Dispatched) {
            Ticket ticket = picked.remove();
            running.put(attempt, ticket);
            fleet.predict(event.callId(), ticket.hits * SimulatedPrompt.BLOCK_TOKENS);
            return;
        }
        boolean ends = event instanceof AttemptEvent.Ended;
        Ticket ticket = ends ? running.remove(attempt) : running.get(attempt);
        if (ticket == null) {
            return; // of before this policy came into use
        }
        if (ticket.replica.pending.remove(ticket)) {
            ticket.replica.pendingTokens -= ticket.newTokens();
            computed(ticket, event.nanos());
        }
        if (ends) {
            end(ticket);
        }
    }

    private void end(Ticket ticket) {
        BlockTable active = ticket.replica.active;
        if (countsActive) {
            for (long block : ticket.prompt.blocks) {
                int users = active.get(block) - 1;
                if (users == 0) {
                    active.remove(block);
                } else {
                    active.put(block, users);
                }
            }
        }
        ended(ticket);
    }
}
