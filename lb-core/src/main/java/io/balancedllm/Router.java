/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.BatchPlacement;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingPolicy;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** Finds the endpoint of an attempt: who may serve it, whom the policy picks, and a lease on that one. */
final class Router {
    /** Picks that find their endpoint filled by somebody else before the call joins the waiting line. */
    private static final int MAX_LOST_RACES = 8;

    private final List<EndpointPool> pools;
    private final PoolLoad load;
    private final RandomGenerator random;
    private volatile InUse inUse;

    /** A router over these pools: a call goes to the first that has an endpoint for it. */
    Router(List<EndpointPool> pools, PoolLoad load, RandomGenerator random, RoutingPolicy policy) {
        this.pools = pools;
        this.load = load;
        this.random = random;
        this.inUse = InUse.of(policy);
    }

    /** A policy with what is asked of it once. */
    record InUse(RoutingPolicy policy, boolean observes, String description) {
        static InUse of(RoutingPolicy policy) {
            return new InUse(policy, observes(policy), policy.toString());
        }

        private static boolean observes(RoutingPolicy policy) {
            try {
                return policy.getClass()
                                .getMethod("observe", io.balancedllm.routing.AttemptEvent.class)
                                .getDeclaringClass()
                        != RoutingPolicy.class;
            } catch (NoSuchMethodException e) {
                return true;
            }
        }
    }

    /**
     * Where an attempt goes: a lease, or a failure, or neither when the call has to wait: for room, or, when there is a
     * time in {@code retryAtNanos}, for an endpoint that takes attempts at all. The line moves when one does.
     *
     * @param model the model asked for or the only one there is, as requests name it
     * @param policy who picked
     * @param candidates whom from, when the call is to be explained
     * @param retryAtNanos null while an endpoint takes attempts and only lacks room; else all of them are cooling,
     *     warming, ejected or unhealthy, and this is the soonest time on the ticker at which one may be asked again
     */
    record Route(
            @Nullable Lease lease,
            @Nullable String model,
            @Nullable LlmException failure,
            InUse policy,
            List<DecisionRecord.Candidate> candidates,
            @Nullable Long retryAtNanos) {
        static Route to(Lease lease, @Nullable String model, InUse policy, List<DecisionRecord.Candidate> candidates) {
            return new Route(lease, model, null, policy, candidates, null);
        }

        static Route failed(LlmException failure, InUse policy) {
            return new Route(null, null, failure, policy, List.of(), null);
        }

        static Route full(@Nullable String model, InUse policy) {
            return new Route(null, model, null, policy, List.of(), null);
        }

        static Route nobodyBefore(long retryAtNanos, @Nullable String model, InUse policy) {
            return new Route(null, model, null, policy, List.of(), retryAtNanos);
        }
    }

    InUse inUse() {
        return inUse;
    }

    void switchTo(RoutingPolicy policy) {
        inUse = InUse.of(policy);
        load.policySwitched();
        for (EndpointPool pool : pools) {
            for (PoolMember member : pool.snapshot().members()) {
                member.dropLocals();
            }
        }
    }

    /** Routes the next attempt of a call; runs the policy, so only where user code may run. */
    Route route(Call call, long nowNanos) {
        return route(call, nowNanos, false);
    }

    /** Lets a policy that can do so choose the first endpoints of calls that were given together. */
    void place(List<Ongoing> calls, long nowNanos) {
        if (inUse.policy() instanceof BatchPlacement policy) {
            new Batches(pools, random, policy)
                    .place(calls.stream().map(Ongoing::placeable).toList(), nowNanos);
        }
    }

    /** Routes a second attempt beside the one that runs: a lease on an endpoint that has room and is not tried, or none. */
    Route routeHedge(Call call, long nowNanos) {
        return route(call, nowNanos, true);
    }

    private Route route(Call call, long nowNanos, boolean hedge) {
        InUse using = inUse;
        try {
            for (int races = 0; races < MAX_LOST_RACES; races++) {
                Route route = tryRoute(using, call, nowNanos, hedge);
                if (route != null) {
                    return route;
                }
            }
            return Route.full(null, using);
        } catch (LlmException e) {
            return Route.failed(e, using);
        }
    }

    /** Null when somebody else took the last slot of the endpoint that was picked, or the pool changed meanwhile. */
    private @Nullable Route tryRoute(InUse using, Call call, long nowNanos, boolean hedge) {
        Chain chain = new Chain(pools, call, nowNanos, random);
        Chain.Place place = chain.place(hedge);
        if (place != null) {
            PoolSnapshot.Choice choice = place.choice();
            return choice == null
                    ? Route.full(place.model(), using)
                    : lease(using, call, place.model(), choice, nowNanos);
        }
        if (hedge) {
            return Route.full(null, using);
        }
        Long soonest = chain.soonest();
        if (soonest != null) {
            return nobodyBefore(soonest, call, nowNanos, using);
        }
        if (chain.isOutdated(pools)) {
            return null; // members have left since it was read, and others may have come in their place
        }
        throw chain.nobody();
    }

    private @Nullable Route lease(
            InUse using, Call call, @Nullable String model, PoolSnapshot.Choice choice, long nowNanos) {
        Candidates candidates = choice.members();
        PickContext context = new PickContext(call, model, nowNanos, random);
        PoolMember placed = call.prompt().takePlacement();
        PoolMember picked = placed != null && candidates.contains(placed) ? placed : pick(using, context, candidates);
        List<DecisionRecord.Candidate> explained = context.explain(candidates, picked);
        Lease lease = picked.tryAcquire(choice.lastResort());
        if (lease == null) {
            return null;
        }
        lease.enter(call.prompt(), nowNanos);
        return Route.to(lease, model, using, explained);
    }

    /** Where nobody knows when an endpoint comes back, the call waits as long as it has patience. */
    private static Route nobodyBefore(long soonestNanos, Call call, long nowNanos, InUse using) {
        long patienceEnd = call.patience().endNanos();
        if (soonestNanos - patienceEnd > 0 || nowNanos - patienceEnd >= 0) {
            return Route.failed(Failures.nobodyBefore(soonestNanos - nowNanos), using);
        }
        return Route.nobodyBefore(soonestNanos - nowNanos > 0 ? soonestNanos : patienceEnd, null, using);
    }

    /** Whether and when a call finds somebody for another attempt; asks no policy. */
    enum Outlook {
        /** An endpoint it has not tried. */
        ELSEWHERE,
        /** One that it has tried, now or later. */
        BACK,
        /** None. */
        NOBODY
    }

    Outlook outlook(Call call, long nowNanos) {
        Chain chain = new Chain(pools, call, nowNanos, random);
        try {
            if (chain.place(true) != null) {
                return Outlook.ELSEWHERE;
            }
            return chain.soonestReturn() == null ? Outlook.NOBODY : Outlook.BACK;
        } catch (LlmException e) {
            return Outlook.NOBODY; // the endpoints list several models by now
        }
    }

    /** {@return nanoseconds until the call may return to an endpoint it has tried; 0 when there is none or it may now} */
    long nanosToReturn(Call call, long nowNanos) {
        Long soonest = new Chain(pools, call, nowNanos, random).soonestReturn();
        return soonest == null ? 0 : Math.max(0, soonest - nowNanos);
    }

    /** {@return the place in the chain behind the pool of this member} */
    int poolAfter(PoolMember member) {
        for (int i = 0; i < pools.size(); i++) {
            if (member.equals(pools.get(i).snapshot().member(member.id()))) {
                return i + 1 < pools.size() ? i + 1 : 0;
            }
        }
        return 0;
    }

    /** {@return whether all that may serve the call are full, or take nothing for their health} Asks no policy. */
    boolean isFull(Call call, long nowNanos) {
        try {
            Chain chain = new Chain(pools, call, nowNanos, random);
            Chain.Place place = chain.place(false);
            return place == null ? chain.soonest() != null : place.choice() == null;
        } catch (LlmException e) {
            return false; // what is wrong with it is said when it is routed
        }
    }

    private static PoolMember pick(InUse using, PickContext context, Candidates candidates) {
        EndpointView picked;
        try {
            picked = using.policy().pick(context, candidates);
        } catch (Throwable e) { // also an Error: the call has to end, and the line to move on
            throw Failures.defect("the routing policy " + using.description() + " threw " + e, e);
        }
        // A policy written without null checks may return null all the same.
        if (picked instanceof PoolMember member && candidates.contains(member)) {
            return member;
        }
        throw new LlmException(
                Reason.INTERNAL_ERROR,
                "the routing policy " + using.description() + " returned " + picked + ", which is not a candidate");
    }
}
