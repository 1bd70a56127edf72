/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.TokenLogprob;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One choice of one request while it is generated: its tokens, its cache and its text. Used by the engine thread alone. */
final class Sequence {
    private final int index;
    private final int[] prompt;
    private final Gpt2Request request;
    private final Gpt2Model model;
    private final Sampler sampler;
    private final TextDecoder decoder;
    private final StopStrings stops;
    private final IntList tokens = new IntList();
    private final Deque<HeldLogprob> heldLogprobs = new ArrayDeque<>();
    private Kernel.@Nullable KvCache cache;
    private int decodedChars;
    private int emittedChars;

    Sequence(int index, int[] prompt, Gpt2Request request, Gpt2Model model, long seed) {
        this.index = index;
        this.prompt = prompt;
        this.request = request;
        this.model = model;
        sampler = new Sampler(request.sampling(), seed, model.config().vocabularySize());
        sampler.see(prompt);
        decoder = model.tokenizer().decoder(true);
        stops = new StopStrings(request.stop());
        tokens.addAll(prompt);
    }

    int index() {
        return index;
    }

    int newTokens() {
        return tokens.size() - prompt.length;
    }

    /** {@return how many tokens' keys and values to make room for} */
    int room() {
        return prompt.length + maxNewTokens();
    }

    /** Takes a cache, which {@link #release} closes, and returns how many tokens came from known prefixes. */
    int admit(Kernel.KvCache newCache, PrefixCache prefixes) {
        cache = newCache;
        return prefixes.restore(prompt, newCache);
    }

    /** Frees the cache; its blocks are kept unless the sequence failed and its numbers may be bad. */
    void release(@Nullable PrefixCache prefixes) {
        Kernel.KvCache held = cache;
        if (held != null) {
            if (prefixes != null) {
                prefixes.save(tokens.toArray(), held);
            }
            held.close();
            cache = null;
        }
    }

    /** {@return how many tokens are to be fed before the next can be drawn} */
    int unfed() {
        return tokens.size() - cache().length();
    }

    /** {@return the next tokens to feed; logits are wanted with the last one} */
    Kernel.Slice slice(int count) {
        int fed = cache().length();
        return new Kernel.Slice(cache(), tokens.toArray(fed, fed + count), fed + count == tokens.size());
    }

    void savePrompt(PrefixCache prefixes) {
        prefixes.save(prompt, cache());
    }

    /**
     * Draws the next token.
     *
     * @return what can be handed out now, or null if that is nothing yet
     * @throws LlmException when the model gave no usable numbers
     */
    @Nullable
    Emission advance(float[] logits) {
        if (!TokenProbabilities.finite(logits)) {
            throw new LlmException(
                    LlmException.Reason.SERVER_ERROR,
                    "the model gave no finite logits after " + newTokens()
                            + " new tokens: its weights or this prompt drive it out of range");
        }
        int token = sampler.next(logits);
        tokens.add(token);
        boolean ended = !request.ignoreEnd() && model.endTokens().contains(token);
        StringBuilder text = new StringBuilder();
        if (!ended) {
            holdLogprob(logits, token);
            append(decoder.append(token), text);
        }
        boolean full = newTokens() == maxNewTokens();
        if ((ended || full) && !stops.met()) {
            append(decoder.finish(), text);
            text.append(stops.finish());
        }
        emittedChars += text.length();
        FinishReason reason = ended || stops.met() ? FinishReason.STOP : full ? FinishReason.LENGTH : null;
        return text.isEmpty() && reason == null
                ? null
                : new Emission(text.toString(), logprobs(reason != null && !stops.met()), reason);
    }

    private int maxNewTokens() {
        return Math.min(request.maxNewTokens(), model.contextLength() - prompt.length);
    }

    private Kernel.KvCache cache() {
        if (cache == null) {
            throw new IllegalStateException("the sequence is not running");
        }
        return cache;
    }

    private void append(String piece, StringBuilder text) {
        decodedChars += piece.length();
        text.append(stops.append(piece));
    }

    private void holdLogprob(float[] logits, int token) {
        int alternatives = request.topLogprobs();
        if (alternatives < 0) {
            return;
        }
        double logSum = TokenProbabilities.logSum(logits);
        List<TokenLogprob> top = new ArrayList<>();
        for (int id : TokenProbabilities.best(logits, alternatives)) {
            top.add(logprob(id, logits[id] - logSum, List.of()));
        }
        heldLogprobs.add(new HeldLogprob(decodedChars, logprob(token, logits[token] - logSum, top)));
    }

    private TokenLogprob logprob(int id, double value, List<TokenLogprob> top) {
        return new TokenLogprob(model.tokenizer().decode(new int[] {id}, false), value, top, Map.of());
    }

    /** Log probabilities go out with the text of their tokens; those of a stop string never do. */
    private List<TokenLogprob> logprobs(boolean all) {
        List<TokenLogprob> free = new ArrayList<>();
        HeldLogprob next;
        while ((next = heldLogprobs.peek()) != null && (all || next.start() < emittedChars)) {
            free.add(next.logprob());
            heldLogprobs.remove();
        }
        return free;
    }

    /** What one step adds to a choice. */
    record Emission(
            String text,
            List<TokenLogprob> logprobs,
            @Nullable FinishReason finishReason) {}

    /** The log probability of a token whose text begins at this character of the answer. */
    private record HeldLogprob(int start, TokenLogprob logprob) {}
}
