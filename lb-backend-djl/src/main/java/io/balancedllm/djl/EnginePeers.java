/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * Engines of one model that share what waits: one that has room takes what cannot begin at another, from the longest
 * queue, the most urgent first. Where the balancer chose an engine for its prefixes, the choice stands unless it means
 * waiting. Thread-safe.
 */
final class EnginePeers {
    private final List<Engine> engines = new CopyOnWriteArrayList<>();

    void add(Engine engine) {
        engines.add(engine);
    }

    void remove(Engine engine) {
        engines.remove(engine);
    }

    /** Makes those look around that have room. */
    void wakeIdle(Engine crowded) {
        for (Engine engine : engines) {
            if (!engine.equals(crowded) && engine.idle()) {
                engine.wake();
            }
        }
    }

    /** {@return a generation that waits elsewhere, no longer in its queue; null if none does} */
    @Nullable
    Gpt2Generation steal(Engine thief) {
        return engines.stream()
                .filter(engine -> !engine.equals(thief) && engine.crowd() > 0)
                .max(Comparator.comparingInt(Engine::crowd))
                .map(Engine::giveAway)
                .orElse(null);
    }
}
