/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Picks where a request costs everybody least: its own wait, its computing times the price of capacity, a surcharge when
 * its first token would come far later than usual, and a small price for delaying what is being decoded there.
 *
 * <p>What it learns are averages over many picks, written without a lock: of two picks at the same time one may count for
 * nothing.
 */
final class PrefixAffinity implements RoutingPolicy {
    /** What a second of computing costs when no endpoint has prompts waiting: it is missing later on. */
    static final double LEAST_PRICE_OF_CAPACITY = 1.5;
    /** What it costs at most, when all have. */
    static final double LARGEST_PRICE_OF_CAPACITY = 8;
    /** Seconds over which the share of busy endpoints is averaged. */
    static final double BUSY_SECONDS = 5;
    /** What a second of a very late first token costs beside itself. */
    static final double LATE_PRICE = 3;
    /** How many times the usual time to first token is half of very late. */
    static final double LATE_AFTER = 15;
    /** The usual time to first token at the start, in seconds. */
    static final double INITIAL_USUAL_SECONDS = 0.2;
    /** What one pick counts in the usual time to first token. */
    private static final double USUAL_SHARE = 0.01;
    /** Softness of the wait for KV memory, as a share of its capacity. */
    static final double MEMORY_SOFTNESS = 0.1;
    /** Tokens of KV memory freed a second, before that is known. */
    private static final double UNKNOWN_FREED = 1e4;

    private static final double LEAST_FREED = 100;
    /** Seconds a context token costs in each decoding step, over the seconds of a prompt token. */
    static final double DECODING_COST = 1.0 / 800;
    /** What the best endpoint has cached beyond the mean, as a share of the prompt, at which decoding counts half. */
    static final double GATE_HALF = 0.05;
    /** What is left of the price of decoding when no endpoint has more cached than others, and all have prompts waiting. */
    static final double GATE_FLOOR = 0.005;
    /** What is left of it at least when no endpoint has prompts waiting: then answers are all that can be delayed. */
    static final double GATE_IDLE = 0.5;
    /** Raised to this, the share of endpoints without prompts waiting makes that next to nothing from a quarter on. */
    static final int GATE_IDLE_POWER = 12;
    /** What is left of older prompts in that share at another pick. */
    private static final double GATE_MEMORY = 0.998;
    /** Prompt tokens for which that share counts as 0 at the start. */
    private static final double GATE_START = 20_000;
    /** Of more candidates than are all weighed, the two that have most cached are weighed beside the sample. */
    private static final int HOLDERS = 2;
    /** Costs that differ by less are equal, in seconds. */
    private static final double EQUAL = 1e-12;
    /** Beyond this, ln(1 + exp(x)) is x. */
    private static final double LINEAR = 30;

    private static final double NANOS_PER_SECOND = 1e9;

    /** How much the delay of answers being decoded weighs against that of first tokens. */
    enum Favour {
        /** Both: 0.1, less where endpoints have the same cached. */
        BOTH("prefixAffinity()", 0.1, true),
        /** Never 0: then ties would balance the load, and any small difference that is learned would defeat them. */
        TIME_TO_FIRST_TOKEN("favourTimeToFirstToken()", 0.02, false),
        COMPLETION_TIME("favourCompletionTime()", 0.2, false);

        private final String description;
        private final double priceOfDecoding;
        private final boolean gated;

        Favour(String description, double priceOfDecoding, boolean gated) {
            this.description = description;
            this.priceOfDecoding = priceOfDecoding;
            this.gated = gated;
        }
    }

    // Places in what is learned. It is written without fences: those would be most of what a pick takes.
    private static final VarHandle LEARNED = MethodHandles.arrayElementVarHandle(double[].class);
    private static final int LAST_NANOS = 0;
    private static final int BUSY_SHARE = 1;
    private static final int USUAL_SECONDS = 2;
    private static final int GAINED_TOKENS = 3;
    private static final int GATE_TOKENS = 4;

    private final Favour favour;
    private final double[] learned = {Double.NaN, 0, INITIAL_USUAL_SECONDS, 0, GATE_START};

    PrefixAffinity(Favour favour) {
        this.favour = favour;
    }

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        int size = candidates.size();
        if (size == 1 && !call.trace().enabled()) {
            return candidates.get(0);
        }
        long now = call.nowNanos();
        int tokens = call.promptTokens();
        int start = Scan.start(size, call.random());
        int scanned = Scan.count(size);
        boolean all = scanned == size;
        long holders = all ? 0 : holders(call, candidates, start);
        int mostCached = all ? mostCached(call, candidates) : call.cachedTokens(candidates.get(holder(holders, 0)));
        double copies = copies(call, candidates, start, mostCached);
        double priceOfCapacity = priceOfCapacity(candidates, start, now);
        double priceOfDecoding = favour.priceOfDecoding * (favour.gated ? gate() : 1);
        double outputTokens = call.expectedOutputTokens();
        double attentionShare = call.attentionShare();
        double leastWork = work(tokens, mostCached, attentionShare);
        double usual = learned(USUAL_SECONDS);

        EndpointView best = candidates.get(0);
        double bestCost = Double.POSITIVE_INFINITY;
        double bestFirstToken = 0;
        int equals = 0;
        long allCached = 0;
        for (int i = all ? 0 : -HOLDERS; i < scanned; i++) {
            boolean holder = i < 0;
            EndpointView candidate = candidates.get(holder ? holder(holders, i + HOLDERS) : Scan.place(i, size, start));
            int cached = call.cachedTokens(candidate);
            allCached += holder ? 0 : cached;
            double perToken = candidate.secondsPerPromptToken();
            double least = perToken * leastWork;
            double own = perToken * work(tokens, cached, attentionShare);
            double computing = priceOfCapacity * (least + (own - least) / copies);
            double wait = candidate.pendingPrefillSeconds(now) + memoryWait(candidate, tokens - cached + outputTokens);
            // Who waits for a copy has little of its later use, so here it fades more slowly than in the price.
            double firstToken = wait + least + (own - least) / Math.sqrt(copies);
            double late = LATE_PRICE * firstToken * firstToken / (firstToken + LATE_AFTER * usual);
            double decoding = priceOfDecoding
                    * (candidate.inFlight() * (own + perToken * outputTokens * tokens * DECODING_COST)
                            + perToken * outputTokens * candidate.contextTokens() * DECODING_COST);
            double cost = wait + computing + late + decoding;
            if (call.trace().enabled()) {
                explain(call.trace(), candidate, cached, wait, computing, late, decoding, cost);
            }
            if (cost < bestCost - EQUAL) {
                best = candidate;
                bestCost = cost;
                bestFirstToken = wait + own;
                equals = 1;
            } else if (cost <= bestCost + EQUAL && call.random().nextInt(++equals) == 0) {
                best = candidate;
                bestFirstToken = wait + own;
            }
        }
        if (tokens > 0) {
            learnGate(tokens, mostCached - (double) allCached / scanned);
            learn(USUAL_SECONDS, usual + USUAL_SHARE * (bestFirstToken - usual));
        }
        return best;
    }

    private static double work(int tokens, int cached, double attentionShare) {
        double uncached = Math.max(1, tokens - cached);
        return uncached * (1 + attentionShare * (cached + uncached / 2));
    }

    private static int mostCached(RoutingContext call, Candidates candidates) {
        int most = 0;
        for (int i = 0; i < candidates.size(); i++) {
            most = Math.max(most, call.cachedTokens(candidates.get(i)));
        }
        return most;
    }

    /**
     * {@return how many endpoints have at least half of what is cached most, at least 1} What many have, many calls begin with: another
     * copy will be used again, so this call does not pay for it alone. Else a prefix of all calls would stay, while there is
     * little load, on a few endpoints that decode more slowly the more they have: 10 to 40 % in the time to the end.
     */
    private static double copies(RoutingContext call, Candidates candidates, int start, int mostCached) {
        int size = candidates.size();
        int scanned = Scan.count(size);
        int copies = 0;
        for (int i = 0; i < scanned; i++) {
            EndpointView candidate = candidates.get(Scan.place(i, size, start));
            copies += call.cachedTokens(candidate) >= mostCached / 2 ? 1 : 0;
        }
        return Math.max(1, (double) copies * size / scanned);
    }

    /** {@return the places of the two that have most cached, one in each half; of equals those after the start} */
    private static long holders(RoutingContext call, Candidates candidates, int start) {
        int size = candidates.size();
        int first = start;
        int second = start + 1 < size ? start + 1 : 0;
        int most = 0;
        int next = 0;
        for (int i = 0; i < size; i++) {
            int place = start + i < size ? start + i : start + i - size;
            int cached = call.cachedTokens(candidates.get(place));
            if (cached > most) {
                second = first;
                next = most;
                first = place;
                most = cached;
            } else if (cached > next) {
                second = place;
                next = cached;
            }
        }
        return (long) second << Integer.SIZE | first;
    }

    private static int holder(long holders, int which) {
        return (int) (which == 0 ? holders : holders >>> Integer.SIZE);
    }

    /** {@return what a second of computing costs: the more, the more endpoints have lately been busy with prompts} */
    private double priceOfCapacity(Candidates candidates, int start, long now) {
        int size = candidates.size();
        int scanned = Scan.count(size);
        int busy = 0;
        for (int i = 0; i < scanned; i++) {
            EndpointView candidate = candidates.get(Scan.place(i, size, start));
            if (candidate.pendingPrefillSeconds(now) > 0) {
                busy++;
            }
        }
        double share = learned(BUSY_SHARE);
        double last = learned(LAST_NANOS);
        double seconds = Double.isNaN(last) ? 0 : Math.max(0, (double) now - last) / NANOS_PER_SECOND;
        share += (1 - Math.exp(-seconds / BUSY_SECONDS)) * ((double) busy / scanned - share);
        learn(BUSY_SHARE, share);
        learn(LAST_NANOS, (double) now);
        return Math.min(LARGEST_PRICE_OF_CAPACITY, LEAST_PRICE_OF_CAPACITY / Math.max(1e-3, 1 - share));
    }

    private double gate() {
        double gain = learned(GAINED_TOKENS) / learned(GATE_TOKENS);
        double floor = GATE_FLOOR + GATE_IDLE * Math.pow(1 - learned(BUSY_SHARE), GATE_IDLE_POWER);
        return (gain + floor * GATE_HALF) / (gain + GATE_HALF);
    }

    private void learnGate(int tokens, double gain) {
        learn(GAINED_TOKENS, learned(GAINED_TOKENS) * GATE_MEMORY + Math.min(tokens, gain));
        learn(GATE_TOKENS, learned(GATE_TOKENS) * GATE_MEMORY + tokens);
    }

    private double learned(int place) {
        return (double) LEARNED.getOpaque(learned, place);
    }

    private void learn(int place, double value) {
        LEARNED.setOpaque(learned, place, value);
    }

    /** {@return how long it takes until the tokens fit into KV memory, in seconds; 0 when its size is not known} */
    private static double memoryWait(EndpointView candidate, double tokens) {
        double capacity = candidate.kvCapacityTokens().orElse(0);
        if (capacity == 0) {
            return 0;
        }
        double softness = MEMORY_SOFTNESS * capacity;
        double excess = (candidate.kvTokensInUse() + tokens - capacity) / softness;
        double missing = softness * (excess > LINEAR ? excess : Math.log1p(Math.exp(excess)));
        double freed = candidate.freedTokensPerSecond();
        return missing / Math.max(LEAST_FREED, freed > 0 ? freed : UNKNOWN_FREED);
    }

    private static void explain(
            DecisionTrace trace,
            EndpointView candidate,
            int cached,
            double wait,
            double computing,
            double late,
            double decoding,
            double cost) {
        trace.term(candidate, "cached tokens (more is better)", cached);
        trace.term(candidate, "wait in s", wait);
        trace.term(candidate, "computing at its price in s", computing);
        trace.term(candidate, "late first token in s", late);
        trace.term(candidate, "delay of others in s", decoding);
        trace.term(candidate, "cost in s", cost);
    }

    @Override
    public String toString() {
        return favour.description;
    }
}
