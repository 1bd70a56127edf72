/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.time.Ticker;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Computes prompts beside an engine, on another device or another core, and hands over their keys and values, so that
 * those that decode there are not held up. One prompt at a time, in the order in which they come.
 *
 * @see <a href="https://www.usenix.org/conference/osdi24/presentation/zhong-yinmin">Zhong et al., DistServe: Disaggregating
 *     Prefill and Decoding for Goodput-optimized Large Language Model Serving, OSDI 2024</a>
 */
final class Prefiller {
    /** Prompts shorter than this are never worth the way. */
    static final int LEAST_TOKENS = 32;

    private static final Logger LOG = LoggerFactory.getLogger(Prefiller.class);
    private static final double NANOS = 1e9;
    private static final double EWMA_WEIGHT = 0.2;

    private final Gpt2Model model;
    private final Kernel kernel;
    private final int stepTokens;
    private final Ticker ticker;
    private final StepCosts costs = new StepCosts();
    private final Deque<Job> jobs = new ArrayDeque<>();
    private long waitingTokens;
    private boolean warned;
    private volatile boolean closed;
    private volatile @Nullable Thread thread;

    /** What a token costs to hand over; touched by the engine thread alone. */
    private double handoverSecondsPerToken;

    /** Takes over a model, which it closes. */
    Prefiller(Gpt2Model model, int stepTokens, Ticker ticker) {
        this.model = model;
        this.kernel = model.kernel();
        this.stepTokens = stepTokens;
        this.ticker = ticker;
    }

    /**
     * {@return whether a prompt is better computed here} Compared are the seconds that either way costs this sequence and,
     * together, those that decode beside it. What is not known yet is tried.
     *
     * @param tokens of the prompt
     * @param uncached how many of them the engine would have to compute itself
     * @param decodes how many sequences decode there
     * @param there what steps cost there
     * @param stretch how many times as long as decoding alone a step may take there
     */
    boolean pays(int tokens, int uncached, int decodes, StepCosts there, double stretch) {
        if (closed || uncached < LEAST_TOKENS) {
            return false;
        }
        if (!costs.known() || !there.known()) {
            return decodes > 0 && backlog() == 0;
        }
        double stay = uncached * there.secondsPerToken();
        // Beside decodes a prompt has but a part of each step.
        double wait = decodes == 0 ? stay : Math.max(stay, stay * stretch / Math.max(0.1, stretch - 1));
        double staying = wait + decodes * stay;
        double away = (backlog() + tokens) * costs.secondsPerToken() + costs.seconds(0);
        double handover = tokens * handoverSecondsPerToken;
        return away + (1 + decodes) * handover < staying;
    }

    /** Takes a prompt, of which all but the last token are computed. Any thread. */
    void submit(Work work, int[] tokens, Returned then) {
        synchronized (jobs) {
            jobs.add(new Job(work, tokens, then));
            waitingTokens += tokens.length;
        }
        Thread current = thread;
        if (current != null) {
            LockSupport.unpark(current);
        }
    }

    /** Learns what handing over took. */
    void handedOver(int tokens, double seconds) {
        double each = seconds / tokens;
        handoverSecondsPerToken =
                handoverSecondsPerToken == 0 ? each : (1 - EWMA_WEIGHT) * handoverSecondsPerToken + EWMA_WEIGHT * each;
    }

    private long backlog() {
        synchronized (jobs) {
            return waitingTokens;
        }
    }

    void start(String name) {
        Thread worker = new Thread(
                () -> {
                    while (!closed) {
                        if (!step()) {
                            LockSupport.park(this);
                        }
                    }
                },
                name);
        worker.setDaemon(true);
        thread = worker;
        worker.start();
    }

    /** Computes one prompt. {@return whether there was one} */
    boolean step() {
        Job job;
        synchronized (jobs) {
            job = jobs.poll();
        }
        if (job == null) {
            return false;
        }
        List<Kernel.KvBlock> blocks = null;
        try {
            blocks = compute(job);
        } catch (RuntimeException | OutOfMemoryError e) {
            if (!warned) {
                warned = true;
                LOG.warn(
                        "A prompt could not be computed on {}; it is computed where it is decoded", kernel.device(), e);
            }
        } finally {
            synchronized (jobs) {
                waitingTokens -= job.tokens.length;
            }
        }
        job.then.returned(job.work, blocks == null ? List.of() : blocks);
        return true;
    }

    /** {@return the prompt in blocks, or null if nobody wants it any longer} */
    private @Nullable List<Kernel.KvBlock> compute(Job job) {
        int end = job.tokens.length - 1;
        try (Kernel.KvCache cache = kernel.allocate(end)) {
            while (cache.length() < end) {
                if (closed || job.work.generation.ending(ticker.nanos())) {
                    return null;
                }
                int from = cache.length();
                int to = Math.min(end, from + stepTokens);
                long began = ticker.nanos();
                kernel.step(List.of(new Kernel.Slice(cache, Arrays.copyOfRange(job.tokens, from, to), false)));
                costs.learn(to - from, (ticker.nanos() - began) / NANOS);
            }
            List<Kernel.KvBlock> blocks = new ArrayList<>();
            for (int from = 0; from < end; from += PrefixCache.BLOCK_TOKENS) {
                blocks.add(cache.save(from, Math.min(PrefixCache.BLOCK_TOKENS, end - from)));
            }
            return blocks;
        }
    }

    /** Ends the thread, gives back what was not computed and frees the model. Idempotent. */
    void shutDown() {
        closed = true;
        Thread current = thread;
        boolean interrupted = false;
        while (current != null && current.isAlive()) {
            LockSupport.unpark(current);
            try {
                current.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        model.close();
    }

    /** Takes a prompt back. */
    interface Returned {
        /**
         * Takes it back, on the prefiller's thread.
         *
         * @param blocks all but its last token in order, to be closed; none if it was not computed
         */
        void returned(Work work, List<Kernel.KvBlock> blocks);
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Job(Work work, int[] tokens, Returned then) {}
}
