/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.health;

import static io.balancedllm.endpoint.HealthState.COOLING;
import static io.balancedllm.endpoint.HealthState.EJECTED;
import static io.balancedllm.endpoint.HealthState.HALF_OPEN;
import static io.balancedllm.endpoint.HealthState.HEALTHY;
import static io.balancedllm.endpoint.HealthState.QUARANTINED;
import static io.balancedllm.endpoint.HealthState.RAMPING;
import static io.balancedllm.endpoint.HealthState.STOPPING;
import static io.balancedllm.endpoint.HealthState.SUSPECTED;
import static io.balancedllm.endpoint.HealthState.UNHEALTHY;
import static io.balancedllm.endpoint.HealthState.UNKNOWN;
import static io.balancedllm.endpoint.HealthState.WARMING;

import io.balancedllm.endpoint.HealthState;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The table of what leads from one state to another; what it does not name changes nothing. */
final class Transitions {
    /** What can lead to another state. */
    enum Signal {
        /** As many probes in a row were answered as {@code rise} says. */
        PROBES_ANSWERED,
        /** A probe was answered with words about loading. */
        PROBE_WARMING,
        /** As many probes in a row failed as {@code fall} says. */
        PROBES_FAILED,
        /** A request brought its whole answer. */
        REQUEST_ANSWERED,
        /** Failures are too many, or the request that tried a half-open endpoint failed. */
        TRIPPED,
        /** A request was refused with 429 or 503. */
        BACK_PRESSURE,
        /** A request was refused for our key or account, or for more than a minute. */
        LOCKED_OUT,
        /** A request was refused because the model is loading. */
        LOADING,
        /** A request was refused because the engine shuts down. */
        SHUTTING_DOWN,
        /** No byte came while a request waited, and the probe that this caused found no answer. */
        SILENT,
        /** A byte came. */
        HEARD,
        /** The time of the state is over. */
        TIME_UP
    }

    /** Where a signal leads; {@code null} stands for the state before this one. */
    private static final Map<Signal, Map<HealthState, @Nullable HealthState>> TABLE = new EnumMap<>(Signal.class);

    /** States in which requests may be under way that were let in. */
    private static final Set<HealthState> SERVING =
            EnumSet.of(UNKNOWN, HEALTHY, RAMPING, HALF_OPEN, SUSPECTED, COOLING);

    static {
        lead(Signal.PROBES_ANSWERED, RAMPING, EnumSet.of(UNKNOWN, WARMING, UNHEALTHY));
        lead(Signal.PROBE_WARMING, WARMING, with(STOPPING, UNHEALTHY, EJECTED));
        lead(Signal.PROBES_FAILED, UNHEALTHY, with(WARMING, STOPPING, EJECTED));
        lead(Signal.REQUEST_ANSWERED, RAMPING, EnumSet.of(UNKNOWN, HALF_OPEN));
        lead(Signal.TRIPPED, EJECTED, SERVING);
        lead(Signal.BACK_PRESSURE, COOLING, EnumSet.of(UNKNOWN, HEALTHY, RAMPING, HALF_OPEN, SUSPECTED));
        lead(Signal.LOCKED_OUT, QUARANTINED, with(STOPPING));
        lead(Signal.LOADING, WARMING, with(STOPPING));
        lead(Signal.SHUTTING_DOWN, STOPPING, SERVING);
        lead(Signal.SILENT, SUSPECTED, EnumSet.of(UNKNOWN, HEALTHY, RAMPING));
        lead(Signal.HEARD, null, EnumSet.of(SUSPECTED));
        lead(Signal.TIME_UP, null, EnumSet.of(COOLING));
        lead(Signal.TIME_UP, HEALTHY, EnumSet.of(RAMPING));
        lead(Signal.TIME_UP, HALF_OPEN, EnumSet.of(STOPPING, EJECTED, QUARANTINED));
    }

    private Transitions() {}

    private static void lead(Signal signal, @Nullable HealthState to, Set<HealthState> from) {
        Map<HealthState, @Nullable HealthState> row =
                TABLE.computeIfAbsent(signal, none -> new EnumMap<>(HealthState.class));
        from.forEach(state -> row.put(state, to));
    }

    private static Set<HealthState> with(HealthState first, HealthState... rest) {
        Set<HealthState> states = EnumSet.of(first, rest);
        states.addAll(SERVING);
        return states;
    }

    /** {@return whether the signal leads anywhere from here} */
    static boolean leads(HealthState from, Signal signal) {
        Map<HealthState, @Nullable HealthState> row = TABLE.get(signal);
        return row != null && row.containsKey(from);
    }

    /** {@return where the signal leads, null for the state before} */
    static @Nullable HealthState target(HealthState from, Signal signal) {
        Map<HealthState, @Nullable HealthState> row = TABLE.get(signal);
        return row == null ? null : row.get(from);
    }
}
