/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.AttemptEvent;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/** Picks as another policy does, and writes down, one letter each, what it is told of every attempt. */
final class ObservingPolicy implements RoutingPolicy {
    /** Dispatched, first token, ended: once each and in this order. */
    private static final Pattern GRAMMAR = Pattern.compile("DF?E");

    private final RoutingPolicy picks;
    private final Map<String, String> told;

    ObservingPolicy(RoutingPolicy picks) {
        this(picks, new ConcurrentHashMap<>());
    }

    private ObservingPolicy(RoutingPolicy picks, Map<String, String> told) {
        this.picks = picks;
        this.told = told;
    }

    /** {@return one that picks as another policy does and writes to the same book} */
    ObservingPolicy next(RoutingPolicy other) {
        return new ObservingPolicy(other, told);
    }

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        return picks.pick(call, candidates);
    }

    @Override
    public void observe(AttemptEvent event) {
        String letter = switch (event.getClass().getSimpleName()) {
            case "Dispatched" -> "D";
            case "FirstToken" -> "F";
            default -> "E";
        };
        told.merge(event.callId() + "/" + event.attempt(), letter, String::concat);
        picks.observe(event);
    }

    int attempts() {
        return told.size();
    }

    void assertGrammar() {
        assertThat(told.entrySet())
                .as("attempts told out of order")
                .filteredOn(attempt -> !GRAMMAR.matcher(attempt.getValue()).matches())
                .isEmpty();
    }

    @Override
    public String toString() {
        return "observing " + picks;
    }
}
