/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.prefix.PrefixHolder;
import io.balancedllm.prefix.PrefixIndex;
import io.balancedllm.prefix.PrefixPrediction;
import io.balancedllm.prefix.PromptBlocks;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * The work one generation of an endpoint has been sent, as far as it is known from here: written by leases, at dispatch,
 * first token and end; read by picks, without a lock.
 */
final class EndpointLoad {
    /** What is left of the tokens and seconds before, when another attempt has ended. */
    private static final double FREED_MEMORY = 0.98;

    /** Of an endpoint that is not in the index. */
    static final int NO_SLOT = -1;

    private static final double NANOS_PER_SECOND = 1e9;
    /** A prompt never counts as more, so that times stay within what a long of nanoseconds can hold. */
    private static final double LONGEST_PREFILL_SECONDS = 1e6;
    /** The index is told of another capacity when it differs by more than a part of this. */
    private static final int CAPACITY_STEPS = 20;

    private final String id;
    private final PoolLoad pool;
    private final PrefillSpeed.EndpointSpeed speed;
    private final BlockCounts blocks = new BlockCounts();
    private int running;
    private int pending;
    private double pendingWork;
    private long periodStart;
    private double periodTokens;
    private double periodAttention;
    private long lastEnd;
    private double freedTokens;
    private double freedSeconds;
    private boolean gone;
    private @Nullable PrefixIndex joinedIndex;
    private @Nullable LlmBackend teller;
    private @Nullable Runnable endOfTelling;
    private int capacityBlocks;

    private volatile @Nullable PrefixHolder holder;
    private volatile int slot = NO_SLOT;
    private volatile OptionalLong capacity;
    private volatile long pendingTokens;
    private volatile long completionNanos;
    private volatile double contextTokens;
    private volatile double blockTokensInUse;
    private volatile double freedTokensPerSecond;

    EndpointLoad(String id, PoolLoad pool, OptionalLong capacity, long nowNanos) {
        this.id = id;
        this.pool = pool;
        this.speed = pool.speed().join();
        this.capacity = capacity;
        this.lastEnd = nowNanos;
        this.completionNanos = nowNanos;
    }

    PoolLoad pool() {
        return pool;
    }

    /** Gives the backend that may tell of its prefix cache, where the index follows prompts in the same blocks. */
    synchronized EndpointLoad teller(LlmBackend backend) {
        teller = backend;
        return this;
    }

    long pendingPromptTokens() {
        return pendingTokens;
    }

    double pendingPrefillSeconds(long nowNanos) {
        return Math.max(0, (completionNanos - nowNanos) / NANOS_PER_SECOND);
    }

    double contextTokens() {
        return contextTokens;
    }

    double kvTokensInUse(int inFlight) {
        return blockTokensInUse + inFlight * pool.expectedOutputTokens();
    }

    OptionalLong kvCapacityTokens() {
        return capacity;
    }

    void kvCapacityTokens(OptionalLong tokens) {
        capacity = tokens;
    }

    double freedTokensPerSecond() {
        return freedTokensPerSecond;
    }

    double secondsPerPromptToken() {
        return pool.speed().secondsPerToken() * speed.factor();
    }

    double prefillSeconds(int promptTokens, int cachedTokens) {
        return secondsPerPromptToken()
                * PromptWork.work(promptTokens, cachedTokens, pool.speed().attentionShare());
    }

    /** {@return who it is in the index; null before the first dispatch that the index saw} */
    @Nullable
    PrefixHolder holder() {
        return holder;
    }

    /** {@return its place in what the index finds; {@link #NO_SLOT} before the first dispatch that the index saw} */
    int slot() {
        return slot;
    }

    /** {@return the work of an attempt that is sent here now; null when nobody asks for it} */
    @Nullable
    PromptWork dispatched(CallPrompt prompt, long nowNanos) {
        PoolLoad.Kept kept = pool.kept();
        if (kept != PoolLoad.Kept.PREFIXES) {
            pool.dropIndex();
        }
        if (kept == PoolLoad.Kept.CALLS) {
            return null;
        }
        PromptBlocks encoded = prompt.blocks();
        if (encoded.promptTokens() == 0) {
            return null;
        }
        boolean prefixes = kept == PoolLoad.Kept.PREFIXES;
        PrefixHolder joined = prefixes ? join(encoded) : null;
        PrefixPrediction prediction = joined == null ? null : joined.dispatched(encoded);
        int promptTokens = pool.promptTokens(encoded);
        int cachedTokens = prediction == null ? 0 : pool.cachedTokens(encoded, prediction.predictedBlocks());
        double work = PromptWork.work(promptTokens, cachedTokens, pool.speed().attentionShare());
        PromptWork result = new PromptWork(
                encoded,
                prediction,
                promptTokens,
                cachedTokens,
                work,
                Math.min(LONGEST_PREFILL_SECONDS, secondsPerPromptToken() * work),
                promptTokens + pool.expectedOutputTokens() / 2,
                prefixes);
        enter(result, nowNanos);
        return result;
    }

    private synchronized @Nullable PrefixHolder join(PromptBlocks encoded) {
        PrefixIndex index = pool.index();
        if (gone || index == null) {
            return null;
        }
        PrefixHolder joined = holder;
        if (joined == null || joinedIndex != index) {
            joined = index.join(id);
            joinedIndex = index;
            holder = joined;
            slot = joined.slot();
            capacityBlocks = 0;
            endTelling();
        }
        LlmBackend backend = teller;
        if (endOfTelling == null && backend != null && encoded.ofTokens()) {
            endOfTelling = KvFeed.open(backend, joined, encoded.tokensPerBlock());
        }
        OptionalLong tokens = capacity;
        if (tokens.isPresent()) {
            double capacityNow = tokens.getAsLong() / pool.tokensPerBlock(encoded);
            int blocksNow = (int) Math.max(1, Math.min(Integer.MAX_VALUE, Math.round(capacityNow)));
            if (Math.abs(blocksNow - capacityBlocks) > capacityBlocks / CAPACITY_STEPS) {
                capacityBlocks = blocksNow;
                joined.capacityBlocks(blocksNow);
            }
        }
        return joined;
    }

    private synchronized void endTelling() {
        Runnable end = endOfTelling;
        endOfTelling = null;
        if (end != null) {
            end.run();
        }
    }

    private synchronized void enter(PromptWork work, long nowNanos) {
        if (pending++ == 0) {
            openPeriod(nowNanos);
            completionNanos = nowNanos;
        } else if (completionNanos - nowNanos < 0) {
            completionNanos = nowNanos;
        }
        completionNanos += Math.round(work.seconds * NANOS_PER_SECOND);
        pendingWork += work.work;
        pendingTokens += work.promptTokens - work.cachedTokens;
        running++;
        contextTokens += work.contextTokens;
        if (work.counted) {
            for (int i = 0; i < work.blocks.size(); i++) {
                blocks.add(work.blocks.hash(i));
            }
            countBlocks(work);
        }
    }

    private void countBlocks(PromptWork work) {
        blockTokensInUse = blocks.distinct() * pool.tokensPerBlock(work.blocks);
    }

    private void openPeriod(long nowNanos) {
        periodStart = nowNanos;
        periodTokens = 0;
        periodAttention = 0;
    }

    void firstToken(PromptWork work, long nowNanos) {
        synchronized (this) {
            if (!work.pending) {
                return;
            }
            leaveQueue(work);
            double uncached = work.uncachedTokens();
            periodTokens += uncached;
            periodAttention += PromptWork.attention(uncached, work.cachedTokens);
            if (pending == 0 || periodTokens > PrefillSpeed.LONGEST_PERIOD) {
                pool.speed().learn(speed, (nowNanos - periodStart) / NANOS_PER_SECOND, periodTokens, periodAttention);
                openPeriod(nowNanos);
            }
            completeAfter(nowNanos);
        }
        PrefixHolder at = holder;
        if (at != null && work.prediction != null) {
            at.firstToken(work.prediction);
        }
    }

    private synchronized void leaveQueue(PromptWork work) {
        work.pending = false;
        pendingTokens -= work.promptTokens - work.cachedTokens;
        pendingWork = --pending == 0 ? 0 : pendingWork - work.work;
    }

    /** What is pending starts now, as far as it can be known. */
    private void completeAfter(long nowNanos) {
        double seconds = Math.min(LONGEST_PREFILL_SECONDS, pendingWork * secondsPerPromptToken());
        completionNanos = nowNanos + Math.round(seconds * NANOS_PER_SECOND);
    }

    /**
     * Takes the work off the books.
     *
     * @param nowNanos when it ended
     * @param usage what the engine counted, null when it did not say
     * @param outputTokens tokens of the answer, as far as they were counted here
     * @param complete whether it was answered to the end; only then something is learned from it
     */
    void ended(PromptWork work, long nowNanos, @Nullable Usage usage, int outputTokens, boolean complete) {
        boolean abandoned;
        synchronized (this) {
            abandoned = work.pending;
            if (abandoned) {
                leaveQueue(work);
                openPeriod(nowNanos); // how much of it was computed is not known: nothing can be learned from that time
                completeAfter(nowNanos);
            }
            contextTokens = --running == 0 ? 0 : contextTokens - work.contextTokens;
            if (work.counted) {
                for (int i = 0; i < work.blocks.size(); i++) {
                    blocks.remove(work.blocks.hash(i));
                }
                countBlocks(work);
            }
            if (complete) {
                freed(work, nowNanos, usage, outputTokens);
            }
        }
        if (complete) {
            pool.answered(
                    work.blocks,
                    usage == null ? 0 : usage.promptTokens(),
                    usage == null ? outputTokens : usage.completionTokens());
        }
        feedBack(work, usage, abandoned);
    }

    private void freed(PromptWork work, long nowNanos, @Nullable Usage usage, int outputTokens) {
        int promptTokens = usage == null || usage.promptTokens() == 0 ? work.promptTokens : usage.promptTokens();
        int cached = usage == null ? work.cachedTokens : usage.cachedTokens().orElse(work.cachedTokens);
        int output = usage == null ? outputTokens : usage.completionTokens();
        freedTokens = freedTokens * FREED_MEMORY + Math.max(0, promptTokens - cached) + output;
        freedSeconds = freedSeconds * FREED_MEMORY + (nowNanos - lastEnd) / NANOS_PER_SECOND;
        lastEnd = nowNanos;
        freedTokensPerSecond = freedSeconds > 0 ? freedTokens / freedSeconds : 0;
    }

    private void feedBack(PromptWork work, @Nullable Usage usage, boolean abandoned) {
        PrefixHolder at = holder;
        if (at == null || work.prediction == null) {
            return;
        }
        if (usage != null) {
            at.answered(work.prediction, usage.promptTokens(), usage.cachedTokens());
        } else if (abandoned) {
            at.abandoned(work.prediction);
        }
    }

    /** The endpoint has left the pool. */
    void leave() {
        PrefixHolder at;
        synchronized (this) {
            gone = true;
            at = holder;
            holder = null;
            slot = NO_SLOT;
            endTelling();
        }
        if (at != null) {
            at.leave();
        }
        pool.speed().leave(speed);
    }
}
