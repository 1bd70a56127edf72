/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.EndpointState;
import java.util.List;
import java.util.SortedSet;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The pool of a balancer and its fallbacks at one moment, as one call sees them: who may serve its next attempt, as far
 * as models, health and what it has tried go. Asks no policy.
 */
final class Chain {
    private final PoolSnapshot[] snapshots;
    private final Call call;
    private final Tried tried;
    private final int first;
    private final long nowNanos;
    private final RandomGenerator random;

    Chain(List<EndpointPool> pools, Call call, long nowNanos, RandomGenerator random) {
        this.snapshots = new PoolSnapshot[pools.size()];
        for (int i = 0; i < snapshots.length; i++) {
            snapshots[i] = pools.get(i).snapshot();
        }
        this.call = call;
        this.tried = call.tried();
        this.first = Math.min(call.firstPool(), snapshots.length - 1);
        this.nowNanos = nowNanos;
        this.random = random;
    }

    /**
     * Where an attempt may go.
     *
     * @param model the model as requests name it
     * @param choice whom to pick from; null when all are full
     */
    record Place(@Nullable String model, PoolSnapshot.@Nullable Choice choice) {}

    /**
     * {@return the first pool with an endpoint that was not tried; else, unless only such will do, the first with one
     * that may be asked again, and then with one that is a last resort; null when there is none}
     */
    @Nullable
    Place place(boolean untriedOnly) {
        Place place = open(true);
        if (place == null && !untriedOnly) {
            place = tried.isEmpty() ? null : open(false);
            return place == null ? lastResort() : place;
        }
        return place;
    }

    private @Nullable Place open(boolean untried) {
        for (int i = first; i < snapshots.length; i++) {
            String model = model(i);
            PoolSnapshot.Wanted wanted = wanted(model, untried);
            if (snapshots[i].anyOpen(wanted)) {
                return new Place(model, snapshots[i].choice(wanted, nowNanos, random));
            }
        }
        return null;
    }

    private @Nullable Place lastResort() {
        for (int i = first; i < snapshots.length; i++) {
            String model = model(i);
            PoolSnapshot.Wanted wanted = wanted(model, false);
            if (snapshots[i].anyServing(wanted)) {
                return new Place(model, snapshots[i].choice(wanted, nowNanos, random));
            }
        }
        return null;
    }

    private PoolSnapshot.Wanted serves(@Nullable String model) {
        return member -> {
            ServedModels served = member.served();
            return served.can(call.operation()) && served.serves(model) && !served.lacks(model, nowNanos);
        };
    }

    private PoolSnapshot.Wanted wanted(@Nullable String model, boolean untried) {
        PoolSnapshot.Wanted serves = serves(model);
        if (tried.isEmpty()) {
            return serves;
        }
        return untried
                ? member -> serves.test(member) && !tried.contains(member)
                : member -> serves.test(member) && tried.mayAsk(member, nowNanos);
    }

    /** {@return when one of those that may serve the call may be asked; null when there will be none} */
    @Nullable
    Long soonest() {
        Long soonest = soonestReturn();
        for (int i = first; i < snapshots.length; i++) {
            PoolSnapshot.Wanted wanted = wanted(model(i), false);
            if (snapshots[i].anyActive(wanted)) {
                long change = snapshots[i].soonestChange(wanted, nowNanos);
                soonest = soonest == null || change - soonest < 0 ? (Long) change : soonest;
            }
        }
        return soonest;
    }

    /** {@return when the call may return to one of the endpoints it has tried; null for never} */
    @Nullable
    Long soonestReturn() {
        Long soonest = null;
        for (int i = first; !tried.isEmpty() && i < snapshots.length; i++) {
            for (PoolMember member : snapshots[i].members()) {
                Long back = member.state() == EndpointState.ACTIVE ? tried.returnNanos(member) : null;
                if (back != null && (soonest == null || back - soonest < 0)) {
                    soonest = back;
                }
            }
        }
        return soonest;
    }

    /** {@return whether the pools have changed since} */
    boolean isOutdated(List<EndpointPool> pools) {
        for (int i = 0; i < snapshots.length; i++) {
            if (!snapshots[i].equals(pools.get(i).snapshot())) {
                return true;
            }
        }
        return false;
    }

    private @Nullable String model(int pool) {
        SortedSet<String> models = snapshots[pool].models();
        if (call.work().model() != null) {
            return call.work().model();
        }
        if (models.size() > 1) {
            throw new LlmException(
                    Reason.INVALID_REQUEST, "the request names no model and the endpoints list several: " + models);
        }
        return models.isEmpty() ? null : models.first();
    }

    /** {@return why there is nobody, from the first pool that the call may go to} */
    LlmException nobody() {
        PoolSnapshot snapshot = snapshots[first];
        String model = model(first);
        PoolMember[] members = snapshot.members();
        if (members.length == 0) {
            return new LlmException(Reason.NO_ENDPOINT, "the pool has no endpoint");
        }
        if (!snapshot.anyActive(member -> true)) {
            return new LlmException(Reason.NO_ENDPOINT, "all " + members.length + " endpoints are draining");
        }
        if (!snapshot.anyActive(
                member -> member.served().serves(model) && !member.served().lacks(model, nowNanos))) {
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
