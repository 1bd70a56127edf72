/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.RoutingContext;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The engines of one run, for policies that are given more than a client can know: the truth to compare with. Belongs to
 * the thread of its run.
 */
public final class SimulatedFleet {
    private static final String ID = "engine-";

    private final VirtualTime time;
    private final EngineModel model;
    private final Trace trace;
    private final int kvBlocks;
    private final BooleanSupplier finished;
    private final List<SimulatedEngine> engines = new ArrayList<>();
    private final List<Polled> polled = new ArrayList<>();
    /** Cached tokens that a policy counted on, by call. */
    private final Map<String, Integer> predicted = new HashMap<>();

    private long pollNanos;

    SimulatedFleet(VirtualTime time, EngineModel model, Trace trace, int kvBlocks, BooleanSupplier finished) {
        this.time = time;
        this.model = model;
        this.trace = trace;
        this.kvBlocks = kvBlocks;
        this.finished = finished;
    }

    /** What an engine said of itself when it was last polled. */
    static final class Polled {
        int waiting;
        double kvUsage;
    }

    /** {@return the id of the endpoint that is this engine} */
    static String id(int engine) {
        return ID + engine;
    }

    void add(SimulatedEngine engine) {
        engines.add(engine);
        polled.add(new Polled());
    }

    /** {@return all engines, those that have left included; a live, unmodifiable view} */
    public List<SimulatedEngine> engines() {
        return java.util.Collections.unmodifiableList(engines);
    }

    /** {@return the engine behind an endpoint} */
    public SimulatedEngine engine(EndpointView endpoint) {
        return engines.get(number(endpoint));
    }

    private static int number(EndpointView endpoint) {
        return Integer.parseInt(endpoint.id().substring(ID.length()));
    }

    /** {@return what all engines are} */
    public EngineModel model() {
        return model;
    }

    /** {@return the blocks of KV memory of each engine} */
    public int kvBlocks() {
        return kvBlocks;
    }

    /** {@return how long the answers of the trace are on average, in tokens} */
    public double meanOutputTokens() {
        return trace.meanOutputTokens();
    }

    PromptShape prompt(RoutingContext call) {
        PromptShape prompt =
                call.request().map(request -> trace.prompts().of(request)).orElse(null);
        if (prompt == null) {
            throw new IllegalArgumentException("a call in a simulation carries a SimulatedPrompt");
        }
        return prompt;
    }

    int outputTokens(RoutingContext call) {
        return call.request().orElseThrow().maxTokens().orElse(1);
    }

    /** Has all engines asked for their load again and again from now on, as long as there are calls. */
    void poll(long everyNanos) {
        if (pollNanos == 0) {
            pollNanos = everyNanos;
            time.schedule("poll", everyNanos, this::pollAll);
        }
    }

    private void pollAll() {
        for (int i = 0; i < engines.size(); i++) {
            polled.get(i).waiting = engines.get(i).waitingRequests();
            polled.get(i).kvUsage = engines.get(i).kvUsage();
        }
        if (!finished.getAsBoolean()) {
            time.schedule("poll", pollNanos, this::pollAll);
        }
    }

    Polled polled(EndpointView endpoint) {
        return polled.get(number(endpoint));
    }

    void predict(String callId, int tokens) {
        predicted.put(callId, tokens);
    }

    /** {@return the cached tokens counted on for a call, and forgets them; null when nothing was} */
    @Nullable
    Integer takePrediction(String callId) {
        return predicted.remove(callId);
    }
}
