/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.prefix.PromptBlocks;
import io.balancedllm.prefix.PromptEncoder;
import java.util.IdentityHashMap;

/** Prompts of a trace as blocks: its own ids, with tokens as they are or as an estimate from bytes would have them. */
final class TraceEncoder implements PromptEncoder {
    private static final int UNIFORMS = 12;

    private final IdentityHashMap<CompletionRequest, PromptBlocks> encoded = new IdentityHashMap<>();

    /**
     * An encoder for the requests of a trace.
     *
     * @param trace whose
     * @param bias a factor on all estimates
     * @param noise the standard deviation of the logarithm of each
     */
    TraceEncoder(Trace trace, double bias, double noise) {
        for (int i = 0; i < trace.requests().size(); i++) {
            CompletionRequest request = trace.completionRequest(i);
            PromptShape prompt = trace.prompts().of(request);
            if (prompt != null) {
                double factor = bias * Math.exp(noise * gaussian(i));
                encoded.put(
                        request,
                        factor == 1
                                ? PromptBlocks.exact(prompt.blocks, SimulatedPrompt.BLOCK_TOKENS, prompt.tokens)
                                : PromptBlocks.estimated(
                                        prompt.blocks,
                                        Math.max(1, (int) Math.round(SimulatedPrompt.BLOCK_TOKENS * factor)),
                                        Math.max(1, (int) Math.round(prompt.tokens * factor))));
            }
        }
    }

    @Override
    public PromptBlocks encode(CompletionRequest request, CallOptions options) {
        PromptBlocks known = encoded.get(request);
        return known != null ? known : SimulatedPrompt.encoder().encode(request, options);
    }

    /** {@return a number of about the normal distribution that belongs to this index} */
    private static double gaussian(long index) {
        double sum = 0;
        for (int k = 1; k <= UNIFORMS; k++) {
            sum += (mix(index * 7919 + k * 104_729L + 13) >>> 11) * 0x1.0p-53;
        }
        return sum - UNIFORMS / 2.0;
    }

    private static long mix(long value) {
        long z = value;
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }
}
