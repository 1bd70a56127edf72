/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingPolicy;
import java.util.List;
import java.util.SortedSet;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** Finds the endpoint of an attempt: who may serve it, whom the policy picks, and a lease on that one. */
final class Router {
    /** Picks that find their endpoint filled by somebody else before the call joins the waiting line. */
    private static final int MAX_LOST_RACES = 8;

    private final EndpointPool pool;
    private final RandomGenerator random;
    private volatile InUse inUse;

    Router(EndpointPool pool, RandomGenerator random, RoutingPolicy policy) {
        this.pool = pool;
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
     * Where an attempt goes: a lease, or a failure, or neither when the call has to wait for room.
     *
     * @param model the model asked for or the only one there is, as requests name it
     * @param policy who picked
     * @param candidates whom from, when the call is to be explained
     */
    record Route(
            @Nullable Lease lease,
            @Nullable String model,
            @Nullable LlmException failure,
            InUse policy,
            List<DecisionRecord.Candidate> candidates) {}

    InUse inUse() {
        return inUse;
    }

    void switchTo(RoutingPolicy policy) {
        inUse = InUse.of(policy);
        for (PoolMember member : pool.snapshot().members()) {
            member.dropLocals();
        }
    }

    /** Routes the next attempt of a call; runs the policy, so only where user code may run. */
    Route route(Call call, long nowNanos) {
        InUse using = inUse;
        try {
            for (int races = 0; races < MAX_LOST_RACES; races++) {
                Route route = tryRoute(using, call, nowNanos);
                if (route != null) {
                    return route;
                }
            }
            return new Route(null, null, null, using, List.of());
        } catch (LlmException e) {
            return new Route(null, null, e, using, List.of());
        }
    }

    /** Null when somebody else took the last slot of the endpoint that was picked, or the pool changed meanwhile. */
    private @Nullable Route tryRoute(InUse using, Call call, long nowNanos) {
        PoolSnapshot snapshot = pool.snapshot();
        String model = resolveModel(call.work(), snapshot.models());
        PoolSnapshot.Wanted wanted = wanted(call, model, snapshot);
        Candidates candidates = snapshot.candidates(wanted);
        if (candidates != null) {
            PickContext context =
                    new PickContext(call.work(), model, call.options(), call.attemptsMade() + 1, nowNanos, random);
            PoolMember picked = pick(using, context, candidates);
            List<DecisionRecord.Candidate> explained = context.explain(candidates, picked);
            Lease lease = picked.tryAcquire();
            return lease == null ? null : new Route(lease, model, null, using, explained);
        }
        if (snapshot.anyActive(wanted)) {
            return new Route(null, model, null, using, List.of());
        }
        if (!snapshot.equals(pool.snapshot())) {
            return null; // members have left since it was read, and others may have come in their place
        }
        throw nobody(call, model, snapshot);
    }

    /** {@return those that may serve the call, as far as their room does not matter} */
    private static PoolSnapshot.Wanted wanted(Call call, @Nullable String model, PoolSnapshot snapshot) {
        PoolSnapshot.Wanted serves = member -> member.can(call.operation()) && member.serves(model);
        if (!call.hasTried()) {
            return serves;
        }
        PoolSnapshot.Wanted untried = member -> serves.test(member) && !call.tried(member);
        return snapshot.anyActive(untried) ? untried : member -> serves.test(member) && !call.barred(member);
    }

    /** {@return whether all that may serve the call are full} Asks no policy. */
    boolean isFull(Call call) {
        PoolSnapshot snapshot = pool.snapshot();
        try {
            PoolSnapshot.Wanted wanted = wanted(call, resolveModel(call.work(), snapshot.models()), snapshot);
            return snapshot.anyActive(wanted) && snapshot.candidates(wanted) == null;
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

    /** {@return the model asked for, or the only one there is; null when nobody says which models there are} */
    private static @Nullable String resolveModel(Work work, SortedSet<String> models) {
        if (work.model() != null) {
            return work.model();
        }
        if (models.size() > 1) {
            throw new LlmException(
                    Reason.INVALID_REQUEST, "the request names no model and the endpoints list several: " + models);
        }
        return models.isEmpty() ? null : models.first();
    }

    private static LlmException nobody(Call call, @Nullable String model, PoolSnapshot snapshot) {
        PoolMember[] members = snapshot.members();
        if (members.length == 0) {
            return new LlmException(Reason.NO_ENDPOINT, "the pool has no endpoint");
        }
        if (!snapshot.anyActive(member -> true)) {
            return new LlmException(Reason.NO_ENDPOINT, "all " + members.length + " endpoints are draining");
        }
        if (!snapshot.anyActive(member -> member.serves(model))) {
            return new LlmException(
                    Reason.MODEL_NOT_FOUND,
                    "no active endpoint serves the model \"" + model + "\"; they list " + snapshot.models());
        }
        return new LlmException(
                Reason.UNSUPPORTED,
                "no active endpoint " + (model == null ? "" : "that serves \"" + model + "\" ") + "can do "
                        + call.operation());
    }
}
