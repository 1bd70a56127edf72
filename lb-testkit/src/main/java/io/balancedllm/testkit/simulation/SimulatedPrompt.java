/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.prefix.PromptBlocks;
import io.balancedllm.prefix.PromptEncoder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A prompt of which only the size and the shape are known, as traces tell them. It travels in
 * {@link CompletionRequest#extra()}, so a request stays an ordinary one and is built once, however often it is replayed:
 *
 * <pre>{@code
 * CompletionRequest.builder().prompt("").maxTokens(500).extra(prompt.extra()).build()
 * {"prompt": "", "max_tokens": 500, "simulated_prompt": {"tokens": 6758, "block_ids": [0, 1, 2, ...]}}
 * }</pre>
 *
 * <p>The answer's length is {@code max_tokens}: simulated models never stop by themselves. (Prompts of token ids would
 * carry the same in 512 times the memory.) Immutable.
 *
 * @param tokens tokens of the prompt, at least 1
 * @param blocks ids of its full blocks of {@value #BLOCK_TOKENS} tokens, from its start. Equal ids stand for equal
 *     blocks after equal blocks, as in the traces of Mooncake; ids of a block that is not full, and of blocks nobody
 *     knows, are left out
 */
public record SimulatedPrompt(int tokens, List<Long> blocks) {
    /** Tokens of a block. */
    public static final int BLOCK_TOKENS = 512;

    private static final String FIELD = "simulated_prompt";
    private static final String TOKENS = "tokens";
    private static final String BLOCK_IDS = "block_ids";

    /** Copies the list; refuses an empty prompt and more blocks than it can fill. */
    public SimulatedPrompt {
        if (tokens < 1) {
            throw new IllegalArgumentException("tokens must be at least 1, got " + tokens);
        }
        if (blocks.size() > tokens / BLOCK_TOKENS) {
            throw new IllegalArgumentException(
                    blocks.size() + " full blocks of " + BLOCK_TOKENS + " tokens do not fit into " + tokens);
        }
        blocks = List.copyOf(blocks);
    }

    /** {@return the prompt of a request, if it carries one} */
    public static Optional<SimulatedPrompt> of(CompletionRequest request) {
        if (!(request.extra().get(FIELD) instanceof Map<?, ?> fields)
                || !(fields.get(TOKENS) instanceof Long tokens)
                || !(fields.get(BLOCK_IDS) instanceof List<?> ids)) {
            return Optional.empty();
        }
        List<Long> blocks = new ArrayList<>(ids.size());
        for (Object id : ids) {
            if (!(id instanceof Long number)) {
                return Optional.empty();
            }
            blocks.add(number);
        }
        return Optional.of(new SimulatedPrompt(Math.toIntExact(tokens), blocks));
    }

    /** {@return what {@link CompletionRequest.Builder#extra} takes to carry this prompt} */
    public Map<String, @Nullable Object> extra() {
        return Map.of(FIELD, Map.of(TOKENS, tokens, BLOCK_IDS, blocks));
    }

    /**
     * {@return an encoder that takes the blocks of requests that carry a prompt of this kind as they are, and knows nothing
     * of others}
     */
    public static PromptEncoder encoder() {
        return (request, options) -> of(request)
                .map(prompt -> PromptBlocks.exact(
                        prompt.blocks().stream().mapToLong(Long::longValue).toArray(), BLOCK_TOKENS, prompt.tokens()))
                .orElse(PromptBlocks.NONE);
    }
}
