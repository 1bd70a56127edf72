/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * What a routing policy sees of an endpoint. Numbers are live: each read gives the value of that moment. One object for
 * each generation of an endpoint, so identity is equality: an endpoint that left and came back is another object.
 * Thread-safe; reads neither lock nor allocate.
 */
public interface EndpointView {
    /** {@return the endpoint's id} */
    String id();

    /** {@return its weight, above 0} */
    double weight();

    /** {@return its labels} */
    Map<String, String> labels();

    /** {@return how many attempts it takes at a time} */
    int maxConcurrency();

    /** {@return attempts of this balancer running there now} */
    int inFlight();

    /**
     * {@return tokens of prompts sent there by this balancer that have no first token yet, without those it was thought
     * to have cached; 0 until a policy reads this}
     *
     * <p>This number and the ones below cost work at each dispatch, so they are kept from the first time a policy asks
     * for one of them, and until the policy is switched.
     */
    long pendingPromptTokens();

    /**
     * {@return how long it will be busy with the prompts this balancer sent there, in seconds: the estimated work of those
     * without a first token, less the time since; at least 0}
     *
     * @param nowNanos the time, in nanoseconds of the balancer's ticker
     */
    double pendingPrefillSeconds(long nowNanos);

    /** {@return tokens its running attempts read at each decoding step: their prompts and half an expected answer each} */
    double contextTokens();

    /** {@return tokens of KV memory its running attempts need: shared prefixes once, and an expected answer each} */
    double kvTokensInUse();

    /** {@return how many tokens of KV memory it has, when its engine or its backend says so} */
    OptionalLong kvCapacityTokens();

    /** {@return tokens of KV memory its attempts give back a second, lately; 0 before the first has ended} */
    double freedTokensPerSecond();

    /**
     * {@return how long it takes to compute a prompt token, in seconds, learned from what it did}
     *
     * <p>For a short prompt; in long ones later tokens take longer.
     */
    double secondsPerPromptToken();

    /** {@return what its engine said last about the load of all its clients; empty when it said nothing, or too long ago} */
    Optional<EngineReport> report();

    /**
     * {@return how many more attempts of this balancer run there now than when the last report was asked for: its own
     * sends since, less its own ends; negative when there are fewer, 0 when there is no report}
     */
    default int inFlightSinceReport() {
        return 0;
    }

    /**
     * {@return requests in the engine now, of all its clients, as far as can be told: those its last report counts, with
     * this balancer's own sends and ends since, and never fewer than it has in flight there; empty when there is no
     * report, it is too old, or it does not count both running and waiting ones} Absent is not zero: compare with
     * {@link #inFlight()} then.
     */
    default OptionalInt engineRequests() {
        OptionalInt told = report().map(EngineReport::requests).orElse(OptionalInt.empty());
        return told.isEmpty() ? told : OptionalInt.of(Math.max(inFlight(), told.getAsInt() + inFlightSinceReport()));
    }

    /**
     * {@return what a policy keeps for this endpoint, made on first use; it goes with this generation of the endpoint,
     * and may be dropped and made anew when the policy is switched}
     *
     * @param local which of the policy's states
     * @param <T> its type
     */
    <T> T local(EndpointLocal<T> local);
}
