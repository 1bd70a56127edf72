/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.prefix.PromptBlocks;
import io.balancedllm.prefix.PromptEncoder;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sees prompts as the engine does: by the same code its requests go through, so that router and engine name the same
 * blocks. Hashing the text instead, as the router does for engines it knows nothing of, could not agree with an engine
 * that caches tokens: where a token ends, and so a block, depends on the text before it, and a template puts tokens
 * between messages that no text shows.
 *
 * <p>Of a request with several prompts there is no one beginning: it is encoded as text, like all that this model cannot
 * serve.
 */
final class TokenEncoder implements PromptEncoder {
    private static final Logger LOG = LoggerFactory.getLogger(TokenEncoder.class);

    private final Gpt2Model model;
    private final Set<String> names;
    private final PromptEncoder others = PromptEncoder.bytes();

    TokenEncoder(Gpt2Model model, Set<String> names) {
        this.model = model;
        this.names = Set.copyOf(names);
    }

    @Override
    public PromptBlocks encode(CompletionRequest request, CallOptions options) {
        if (request.model().map(names::contains).orElse(true)) {
            try {
                List<Gpt2Request.Prepared> prompts = Gpt2Request.prepared(request, model);
                if (prompts.size() == 1) {
                    return prompts.get(0).blocks();
                }
            } catch (LlmException e) {
                LOG.debug("a prompt that cannot be served is encoded as text", e);
            } catch (RuntimeException e) {
                LOG.debug("the tokenizer is closed; the prompt is encoded as text", e);
            }
        }
        return others.encode(request, options);
    }

    @Override
    public String toString() {
        return "tokens of " + names;
    }
}
