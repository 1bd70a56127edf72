/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.CompletionRequest;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A {@link SimulatedPrompt} as the simulation works with it. Its array is shared and never written. */
final class PromptShape {
    final int tokens;
    final long[] blocks;
    /** How many blocks an engine may find in its cache: full ones, and a token must be left to compute. */
    final int reusableBlocks;

    PromptShape(SimulatedPrompt prompt) {
        tokens = prompt.tokens();
        blocks = prompt.blocks().stream().mapToLong(Long::longValue).toArray();
        reusableBlocks = Math.min(blocks.length, (tokens - 1) / SimulatedPrompt.BLOCK_TOKENS);
    }

    /**
     * The shapes of requests, read from each once: a trace is replayed many times. Immutable; a request that is not
     * known, because somebody rebuilt it, is read anew.
     */
    static final class Known {
        static final Known NONE = new Known(List.of());

        private final IdentityHashMap<CompletionRequest, PromptShape> shapes = new IdentityHashMap<>();

        Known(List<CompletionRequest> requests) {
            for (CompletionRequest request : requests) {
                SimulatedPrompt.of(request).ifPresent(prompt -> shapes.put(request, new PromptShape(prompt)));
            }
        }

        /** {@return the shape of the request's prompt; null when it carries none} */
        @Nullable
        PromptShape of(CompletionRequest request) {
            PromptShape known = shapes.get(request);
            if (known != null) {
                return known;
            }
            Optional<SimulatedPrompt> prompt = SimulatedPrompt.of(request);
            return prompt.isEmpty() ? null : new PromptShape(prompt.get());
        }
    }
}
