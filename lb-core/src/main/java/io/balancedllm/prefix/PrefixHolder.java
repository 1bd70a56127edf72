/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import io.balancedllm.prefix.BlockRun.Use;
import io.balancedllm.prefix.HolderState.Level;
import java.util.ArrayDeque;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One generation of an endpoint in a {@link PrefixIndex}: the blocks it is thought to hold, the longest unused first to
 * go. An endpoint that leaves and comes back, or is known to have restarted, joins anew.
 *
 * <p>Thread-safe. {@link #match} never blocks. What changes the index, and {@link #state} and {@link #errors}, takes its
 * lock for some microseconds: call it off the path of picks. After {@link #leave} all of it does nothing.
 *
 * <p>The life of an attempt: {@link #dispatched} when it is sent; {@link #firstToken} when its first output arrives;
 * {@link #answered} when its usage is known; {@link #abandoned} when it fails or is cancelled before its first token.
 * Each may be missing or repeated without harm.
 */
public final class PrefixHolder {
    /** Attempts without a first token that are remembered, the latest ones. */
    static final int MAX_PENDING = 4_096;

    /** Share of the tokens predicted lately that were not there from which on the index is not to be believed. */
    static final double DEGRADED_SHARE = 0.5;

    /** Predictions it takes to say so. */
    static final int DEGRADED_LEAST = 8;

    /** How far estimated blocks may be off, in parts of what was predicted and beside one block, to count as right. */
    static final int ESTIMATE_PARTS = 8;

    private final PrefixIndex index;
    private final String id;
    private final int slot;
    private final ReentrantLock lock;
    private volatile boolean left;

    // Guarded by the lock.
    private final ArrayDeque<PrefixPrediction> pending = new ArrayDeque<>();
    private final Capacity capacity = new Capacity();
    private final ErrorCounter errors = new ErrorCounter();
    private final HeldBlocks held;
    private long ordinal;
    private boolean tellsCached;
    private @Nullable HolderState told;

    PrefixHolder(PrefixIndex index, String id, int slot) {
        this.index = index;
        this.id = id;
        this.slot = slot;
        this.lock = index.lock();
        this.held = new HeldBlocks(slot);
    }

    /** {@return the id it joined with} */
    public String id() {
        return id;
    }

    /** {@return its place in the result of {@link PrefixIndex#match}; another endpoint's once this one left} */
    public int slot() {
        return slot;
    }

    /**
     * Sets how many blocks the endpoint's cache has, at least 1: what the engine reports, in blocks of the prompt encoder.
     * Where this is never called, the capacity is learned from the cached tokens of its answers, from
     * {@link PrefixIndex#DEFAULT_CAPACITY_BLOCKS} down.
     */
    public void capacityBlocks(int blocks) {
        if (blocks < 1) {
            throw new IllegalArgumentException("blocks must be at least 1, got " + blocks);
        }
        change(() -> {
            capacity.report(blocks);
            keepCapacity();
        });
    }

    /** {@return how many blocks from the start of the prompt this endpoint is thought to hold; never blocks} */
    public int match(PromptBlocks blocks) {
        return left ? 0 : index.match(blocks, this);
    }

    /**
     * Notes that a prompt is sent here: the endpoint is taken to hold all its blocks from now on, the first ones longest.
     * Of a prompt with more blocks than the endpoint holds, the first ones are kept.
     *
     * @param blocks the prompt
     * @return what was expected to be there already
     */
    public PrefixPrediction dispatched(PromptBlocks blocks) {
        lock.lock();
        try {
            int predicted = match(blocks);
            long lastUse = predicted == 0 ? -1 : index.tree().lastUse(held, blocks, predicted - 1);
            long computedBefore = pending.isEmpty() ? Long.MAX_VALUE : pending.element().ordinal;
            ordinal++;
            PrefixPrediction prediction = new PrefixPrediction(blocks, predicted, ordinal, lastUse, computedBefore);
            if (!left) {
                remember(prediction);
                if (!toldExact()) {
                    use(blocks);
                }
            }
            return prediction;
        } finally {
            lock.unlock();
        }
    }

    /** Notes that the prompt has been computed: from now on its blocks are in the engine's cache, not on their way. */
    public void firstToken(PrefixPrediction prediction) {
        change(() -> computed(prediction));
    }

    /**
     * Compares a prediction with the answer's usage and corrects what is thought of this endpoint. An endpoint counts as
     * telling its cached tokens from the first time it does; from then on, absent means 0, as some engines leave out
     * zeros. Only the first answer to a prediction counts.
     *
     * <p>When less was cached than predicted, the deepest predicted block had been evicted, and so has everything used
     * less recently: all of that is removed. (The prompt's own blocks stay: they have been computed by now.) Where the
     * missing block may still have been on its way, in a prompt that had no first token when this one was sent, nothing
     * is concluded. A restart shows as misses of everything, each of which removes what is older.
     *
     * @param prediction what was expected
     * @param promptTokens the prompt's tokens as the engine counted them; below 1, the answer is ignored
     * @param cachedTokens how many of them it found in its cache; taken for 0 when negative, and for all when more
     */
    public void answered(PrefixPrediction prediction, int promptTokens, OptionalInt cachedTokens) {
        change(() -> {
            computed(prediction);
            tellsCached |= cachedTokens.isPresent();
            if (!prediction.answered && promptTokens > 0 && tellsCached) {
                prediction.answered = true;
                compare(prediction, promptTokens, Math.max(0, Math.min(cachedTokens.orElse(0), promptTokens)));
            }
        });
    }

    /** Notes that the attempt ended before its first token: what only it would have brought there is taken back. */
    public void abandoned(PrefixPrediction prediction) {
        change(() -> {
            if (!prediction.computed && !toldExact()) {
                index.evicted(index.tree()
                        .takeBack(held, prediction.blocks(), prediction.predictedBlocks(), prediction.ordinal));
            }
            computed(prediction);
        });
    }

    /**
     * Notes that the endpoint itself told it stored these blocks.
     *
     * @param hashes the blocks in the order of the prompt
     * @param parent the hash of the block before them, without which they are of no use and ignored; 0 where they begin
     *     a prompt
     */
    public void stored(long[] hashes, long parent) {
        change(() -> {
            BlockRun before = parent == 0 ? null : index.tree().endingWith(held, parent);
            if (parent == 0 || before != null) {
                ordinal++;
                index.tree().use(held, before, PromptBlocks.exact(hashes, 1, hashes.length), hashes.length, ordinal);
                keepCapacity();
                index.keepBound();
            }
        });
    }

    /** Notes that the endpoint itself told it removed these blocks; those that follow them are of no use and go, too. */
    public void removed(long[] hashes) {
        change(() -> index.evicted(index.tree().remove(held, hashes)));
    }

    /** Notes that the endpoint's cache is empty: it restarted, or told that it cleared everything. */
    public void cleared() {
        change(() -> index.clear(this, this::forgetAll, false));
    }

    /**
     * Sets how far the index can be believed, by whoever listens to what the endpoint tells. While the level is
     * {@link Level#EXACT} only {@link #stored}, {@link #removed} and {@link #cleared} change the blocks. A level of
     * {@link Level#APPROXIMATE} leaves it to the index again.
     */
    public void state(HolderState state) {
        change(() -> told = state.level() == Level.APPROXIMATE ? null : state);
    }

    /** {@return how far the index can be believed about this endpoint} */
    public HolderState state() {
        lock.lock();
        try {
            if (told != null) {
                return told;
            }
            String size = (capacity.reported() ? "capacity reported: " : "capacity learned: ") + capacity.blocks()
                    + " blocks";
            double over = errors.recentOverShare(DEGRADED_LEAST);
            if (over >= DEGRADED_SHARE) {
                return new HolderState(
                        Level.DEGRADED,
                        String.format(
                                Locale.ROOT,
                                "%.0f %% of the tokens predicted lately were not in its cache; %s",
                                over * 100,
                                size));
            }
            return new HolderState(
                    Level.APPROXIMATE,
                    "own history, " + (tellsCached ? "" : "not checked: it tells no cached tokens; ") + size);
        } finally {
            lock.unlock();
        }
    }

    /** {@return how well this endpoint's cached tokens were foreseen} */
    public PredictionErrors errors() {
        lock.lock();
        try {
            return errors.snapshot();
        } finally {
            lock.unlock();
        }
    }

    /** Removes this endpoint from the index. No match that begins later sees any of its blocks. */
    public void leave() {
        change(() -> {
            left = true;
            index.clear(this, this::forgetAll, true);
            pending.clear();
        });
    }

    @Override
    public String toString() {
        return "PrefixHolder{" + id + "}";
    }

    // All that follows is called under the lock.

    int size() {
        return held.size();
    }

    /** Removes up to this many blocks of those unused for longest, of one run of the tree. */
    void evictOldest(int atMost) {
        Use oldest = held.oldest();
        if (oldest != null) {
            index.evicted(index.tree().remove(oldest, atMost));
        }
    }

    private void change(Runnable change) {
        lock.lock();
        try {
            if (!left) {
                change.run();
            }
        } finally {
            lock.unlock();
        }
    }

    private boolean toldExact() {
        return told != null && told.level() == Level.EXACT;
    }

    private void use(PromptBlocks blocks) {
        index.tree().use(held, null, blocks, Math.min(blocks.size(), capacity.blocks()), ordinal);
        keepCapacity();
        index.keepBound();
    }

    private void keepCapacity() {
        while (held.size() > capacity.blocks()) {
            evictOldest(held.size() - capacity.blocks());
        }
    }

    private void forgetAll() {
        while (held.size() > 0) {
            evictOldest(Integer.MAX_VALUE);
        }
    }

    private void remember(PrefixPrediction prediction) {
        if (pending.size() == MAX_PENDING) {
            pending.remove();
        }
        pending.add(prediction);
    }

    private void computed(PrefixPrediction prediction) {
        prediction.computed = true;
        while (!pending.isEmpty() && pending.element().computed) {
            pending.remove();
        }
    }

    private void compare(PrefixPrediction prediction, int promptTokens, int cachedTokens) {
        PromptBlocks blocks = prediction.blocks();
        // Estimated tokens are stretched to the engine's count of this very prompt.
        double stretch =
                blocks.exact() || blocks.promptTokens() == 0 ? 1 : (double) promptTokens / blocks.promptTokens();
        long predictedTokens = Math.min(promptTokens, Math.round(prediction.predictedTokens() * stretch));
        errors.add(predictedTokens, cachedTokens);
        index.answered(predictedTokens, cachedTokens);

        int predicted = prediction.predictedBlocks();
        int actual = (int) (cachedTokens / (stretch * blocks.tokensPerBlock()));
        int slack = blocks.exact() ? 0 : 1 + predicted / ESTIMATE_PARTS;
        if (toldExact()) {
            return;
        }
        if (actual + slack < predicted && prediction.lastUse < prediction.computedBefore) {
            Use oldest;
            while ((oldest = held.oldest()) != null && oldest.ordinal <= prediction.lastUse) {
                evictOldest(Integer.MAX_VALUE);
            }
            capacity.missed(held.size());
            keepCapacity();
        } else if (actual > predicted + slack) {
            capacity.unforeseen();
        }
    }
}
