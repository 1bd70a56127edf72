/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * MD, the ancestor of the library's own rule: the delay a request would have and cause, in seconds, with the engine's
 * exact cost law and the true mean length of answers.
 *
 * <p><b>When</b> to choose it: never in production, it is told what nobody knows; to see what learning costs.
 * <b>Ignores</b> how much KV memory is left.
 *
 * <pre>{@code
 * pending + lambda*own + kappa*(inFlight*(own + d) + D)        lambda = min(4, 1/(1 - rho)), kappa = 0.05
 * }</pre>
 *
 * where d and D are what one more sequence costs the running ones at decoding, and they it.
 */
final class MarginalDelay extends Rival {
    private static final double KAPPA = 0.05;
    private static final double MAX_LAMBDA = 4;
    private static final double RHO_SECONDS = 5;
    private static final double TIE = 1e-5;
    private static final double NANOS_PER_SECOND = 1e9;
    private static final int PROBE_CONTEXT = 1_000_000;

    private final double decodeSecondsPerContextToken;
    private double rho;
    private long lastNanos;

    MarginalDelay(SimulatedFleet fleet) {
        super(fleet, View.OWN_HISTORY, false);
        EngineModel model = fleet.model();
        decodeSecondsPerContextToken =
                (model.decodeSeconds(1, PROBE_CONTEXT) - model.decodeSeconds(1, 0)) / PROBE_CONTEXT;
    }

    @Override
    int choose(Choice choice) {
        long now = choice.call.nowNanos();
        int busy = 0;
        for (Replica replica : choice.replicas) {
            busy += replica.virtualCompletion > now ? 1 : 0;
        }
        double elapsed = (now - lastNanos) / NANOS_PER_SECOND;
        rho += (1 - Math.exp(-elapsed / RHO_SECONDS)) * ((double) busy / choice.size() - rho);
        lastNanos = now;
        double lambda = Math.min(MAX_LAMBDA, 1 / Math.max(1e-3, 1 - Math.min(0.999, rho)));
        double decode = fleet.meanOutputTokens() * decodeSecondsPerContextToken;
        double[] costs = new double[choice.size()];
        for (int i = 0; i < costs.length; i++) {
            Replica replica = choice.replicas[i];
            double pending = Math.max(0, replica.virtualCompletion - now) / NANOS_PER_SECOND;
            double own = own(choice.prompt, choice.hits[i]);
            double delays = choice.inFlight[i] * (own + decode * choice.prompt.tokens) + decode * replica.contextTokens;
            costs[i] = pending + lambda * own + KAPPA * delays + TIE * choice.inFlight[i];
            choice.term(i, "pending s", pending);
            choice.term(i, "own s", own);
            choice.term(i, "cost s", costs[i]);
        }
        return choice.least(costs);
    }

    private double own(PromptShape prompt, int hits) {
        int cached = hits * SimulatedPrompt.BLOCK_TOKENS;
        return fleet.model().cost().prefillSeconds(prompt.tokens - cached, cached);
    }

    @Override
    void chosen(Ticket ticket, long nowNanos) {
        Replica replica = ticket.replica;
        ticket.seconds = own(ticket.prompt, ticket.hits);
        replica.contextTokens += ticket.prompt.tokens + fleet.meanOutputTokens() / 2;
        replica.virtualCompletion = Math.max(nowNanos, replica.virtualCompletion) + nanos(ticket.seconds);
    }

    @Override
    void computed(Ticket ticket, long nowNanos) {
        double seconds = 0;
        for (Ticket other : ticket.replica.pending) {
            seconds += other.seconds;
        }
        ticket.replica.virtualCompletion = nowNanos + nanos(seconds);
    }

    @Override
    void ended(Ticket ticket) {
        ticket.replica.contextTokens -= ticket.prompt.tokens + fleet.meanOutputTokens() / 2;
    }

    private static long nanos(double seconds) {
        return Math.round(seconds * NANOS_PER_SECOND);
    }

    @Override
    public String toString() {
        return "md(kappa " + KAPPA + ", lambda up to " + MAX_LAMBDA + ")";
    }
}
