/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.Usage;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The right of one attempt to one slot of one generation of an endpoint, and its entry in the books of that endpoint.
 * Released once, however often it is asked to.
 */
final class Lease {
    private final PoolMember member;
    private final long epoch;
    private final AtomicBoolean released = new AtomicBoolean();
    private @Nullable PromptWork work;
    private long entered;

    /**
     * A lease.
     *
     * @param epoch of the member's health, in which the attempt begins
     */
    Lease(PoolMember member, long epoch) {
        this.member = member;
        this.epoch = epoch;
    }

    PoolMember member() {
        return member;
    }

    /** {@return the epoch of the member's health in which the attempt began} */
    long epoch() {
        return epoch;
    }

    /** Puts the prompt of the attempt on the endpoint's books, so that the next pick sees it. */
    void enter(CallPrompt prompt, long nowNanos) {
        entered = nowNanos;
        work = member.load().dispatched(prompt, nowNanos);
    }

    /** {@return tokens of the prompt; 0 when they are not kept} */
    int promptTokens() {
        return work == null ? 0 : work.promptTokens;
    }

    /** {@return how many of them the endpoint was thought to have cached} */
    int cachedTokens() {
        return work == null ? 0 : work.cachedTokens;
    }

    /** The first token has come: the prompt is computed. */
    void firstToken(long nowNanos) {
        if (work != null) {
            member.load().firstToken(work, nowNanos);
        }
    }

    /**
     * The attempt is over: the slot is free, and what is to be learned from it is.
     *
     * @param nowNanos when
     * @param usage what the engine counted, null when it did not say
     * @param outputTokens tokens of the answer, as far as they were counted here
     * @param complete whether it was answered to the end
     */
    void ended(long nowNanos, @Nullable Usage usage, int outputTokens, boolean complete) {
        if (released.compareAndSet(false, true)) {
            if (work != null) {
                member.load().ended(work, nowNanos, usage, outputTokens, complete);
            }
            member.release(this);
        }
    }

    /** The slot is free without having been used. */
    void release() {
        ended(entered, null, 0, false);
    }
}
