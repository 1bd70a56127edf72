/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.TokenLogprob;
import io.balancedllm.djl.Kernel.Wanted;
import io.balancedllm.prefix.PromptBlocks;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One choice of one request while it is generated: its tokens, its cache and its text. Used by the engine thread alone. */
final class Sequence {
    /** Tokens of an answer that a sequence has room for when it begins; most of them need more, and some never do. */
    static final int FIRST_ANSWER_TOKENS = 32;

    private final int index;
    private final Gpt2Request.Prepared prompt;
    private final Gpt2Request request;
    private final Gpt2Model model;
    private final Sampler sampler;
    private final TextDecoder decoder;
    private final StopStrings stops;
    private final IntList tokens = new IntList();
    private final Deque<HeldLogprob> heldLogprobs = new ArrayDeque<>();
    private Kernel.@Nullable KvCache cache;
    private int capacity;
    private int saved;
    private int decodedChars;
    private int emittedChars;
    private final double[] stateSums;

    Sequence(int index, Gpt2Request.Prepared prompt, Gpt2Request request, Gpt2Model model, long seed) {
        this.index = index;
        this.prompt = prompt;
        this.request = request;
        this.model = model;
        sampler = new Sampler(request.sampling(), seed, model.config().vocabularySize());
        sampler.see(prompt.ids());
        decoder = model.tokenizer().decoder(true);
        stops = new StopStrings(request.stop());
        stateSums = new double[request.embeds() ? model.config().width() : 0];
        tokens.addAll(prompt.ids());
    }

    int index() {
        return index;
    }

    int newTokens() {
        return tokens.size() - prompt.ids().length;
    }

    /** {@return the room to begin or go on with: the tokens so far and some to come} */
    int comfortableRoom() {
        return room(tokens.size() + FIRST_ANSWER_TOKENS);
    }

    /** {@return the room it has once it grows} By half, so that what is copied stays a small part of what is computed. */
    int nextRoom() {
        return room(Math.max(capacity + KvMemory.ROOM_STEP, capacity * 3 / 2));
    }

    /** {@return the most room it can ever need} */
    int mostRoom() {
        return room(prompt.ids().length + maxNewTokens());
    }

    private int room(int wanted) {
        int most = Math.min(model.contextLength(), prompt.ids().length + maxNewTokens());
        int needed = Math.min(wanted, most);
        int rounded = (needed + KvMemory.ROOM_STEP - 1) / KvMemory.ROOM_STEP * KvMemory.ROOM_STEP;
        return Math.min(rounded, model.contextLength());
    }

    int capacity() {
        return capacity;
    }

    /** {@return how many of its tokens a prefix cache holds now; they are the last to go} */
    int cachedIn(PrefixCache prefixes) {
        return prefixes.match(tokens.toArray(), blocks());
    }

    /** Takes a cache and returns how many tokens came from known prefixes. */
    int admit(Kernel.KvCache newCache, int room, PrefixCache prefixes) {
        cache = newCache;
        capacity = room;
        saved = request.embeds() ? 0 : prefixes.restore(tokens.toArray(), blocks(), newCache);
        return saved;
    }

    /** {@return the prompt, where it could be computed elsewhere} */
    int[] promptToSend() {
        return prompt.ids();
    }

    boolean embeds() {
        return request.embeds();
    }

    /** Copies what was computed elsewhere, in blocks from the start of the prompt, beyond what it has. */
    void append(Handover handover) {
        for (int i = cache().length() / PrefixCache.BLOCK_TOKENS; i < handover.size(); i++) {
            try (Kernel.KvBlock block = handover.takeBlock(i)) {
                cache().append(block);
            }
        }
    }

    /** Goes on with a cache that was filled elsewhere, of this room; what was copied of it becomes a prefix. */
    void takeOver(Handover handover, int room, PrefixCache prefixes) {
        cache = handover.takeCache();
        capacity = room;
        saved = handover.size() * PrefixCache.BLOCK_TOKENS;
        prefixes.keep(prompt.ids(), prompt.blocks(), handover.size(), handover::takeBlock);
    }

    /** Goes on in a larger cache, into which it copies what it has, a part at a time. {@return the old one, to be freed} */
    Kernel.KvCache moveTo(Kernel.KvCache larger, int room) {
        Kernel.KvCache old = cache();
        for (int from = 0; from < old.length(); from += PrefixCache.BLOCK_TOKENS) {
            try (Kernel.KvBlock part = old.save(from, Math.min(PrefixCache.BLOCK_TOKENS, old.length() - from))) {
                larger.append(part);
            }
        }
        cache = larger;
        capacity = room;
        return old;
    }

    /** {@return the cache, which the sequence no longer has; null if it had none} */
    Kernel.@Nullable KvCache giveUpCache() {
        Kernel.KvCache held = cache;
        cache = null;
        capacity = 0;
        Arrays.fill(stateSums, 0);
        return held;
    }

    /** {@return how many tokens are to be fed before the next can be drawn} */
    int unfed() {
        Kernel.KvCache held = cache;
        return held == null ? tokens.size() : tokens.size() - held.length();
    }

    /** {@return whether what is unfed has no room} */
    boolean full() {
        return tokens.size() > capacity;
    }

    /** {@return the next tokens to feed; logits are wanted with the last one} */
    Kernel.Slice slice(int count) {
        int fed = cache().length();
        boolean last = fed + count == tokens.size();
        Wanted wanted = request.embeds() ? Wanted.STATES : last ? Wanted.LOGITS : Wanted.NOTHING;
        return new Kernel.Slice(cache(), tokens.toArray(fed, fed + count), wanted, null);
    }

    /** Saves what has been computed of the prompt since the last time. */
    void savePrompt(PrefixCache prefixes) {
        if (request.embeds()) {
            return;
        }
        int computed = Math.min(cache().length(), prompt.ids().length);
        if (computed - saved >= PrefixCache.BLOCK_TOKENS) {
            saved = computed / PrefixCache.BLOCK_TOKENS * PrefixCache.BLOCK_TOKENS;
            prefixes.save(prompt.ids(), prompt.blocks(), cache());
        }
    }

    /** Saves all that has been computed. */
    void save(PrefixCache prefixes) {
        Kernel.KvCache held = cache;
        if (held != null && !request.embeds()) {
            prefixes.save(tokens.toArray(), blocks(), held);
        }
    }

    /** Takes back what has been saved: its numbers may be bad. */
    void forget(PrefixCache prefixes) {
        prefixes.forget(blocks());
    }

    private PromptBlocks blocks() {
        return newTokens() == 0 ? prompt.blocks() : PrefixCache.blocks(tokens.toArray(), request.cacheSalt());
    }

    /**
     * Adds the states of the tokens fed last, [tokens, width], to their mean.
     *
     * @return the mean of all, of length 1, or null while tokens are missing
     * @throws LlmException when the model gave no usable numbers
     */
    float @Nullable [] addStates(float[] states) {
        if (!TokenProbabilities.finite(states)) {
            throw new LlmException(
                    LlmException.Reason.SERVER_ERROR, "the model gave states that are no finite numbers");
        }
        for (int i = 0; i < states.length; i++) {
            stateSums[i % stateSums.length] += states[i];
        }
        if (unfed() > 0) {
            return null;
        }
        double norm = Math.sqrt(Arrays.stream(stateSums).map(sum -> sum * sum).sum());
        float[] vector = new float[stateSums.length];
        for (int i = 0; i < vector.length; i++) {
            vector[i] = (float) (norm == 0 ? 0 : stateSums[i] / norm);
        }
        return vector;
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
        return Math.min(request.maxNewTokens(), model.contextLength() - prompt.ids().length);
    }

    private Kernel.KvCache cache() {
        Kernel.KvCache held = cache;
        if (held == null) {
            throw new IllegalStateException("the sequence is not running");
        }
        return held;
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
