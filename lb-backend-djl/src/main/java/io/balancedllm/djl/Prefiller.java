/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.time.Ticker;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Computes prompts beside an engine, on another device or another core, and hands over their keys and values, so that
 * those that decode there are held up less. One prompt at a time, in the order in which they come.
 *
 * @see <a href="https://www.usenix.org/conference/osdi24/presentation/zhong-yinmin">Zhong et al., DistServe: Disaggregating
 *     Prefill and Decoding for Goodput-optimized Large Language Model Serving, OSDI 2024</a>
 */
final class Prefiller {
    private static final Logger LOG = LoggerFactory.getLogger(Prefiller.class);
    private static final double NANOS = 1e9;
    /** What one step counts among those before it: they are few, and the last ones tell most. */
    private static final double COST_WEIGHT = 0.2;

    private final Gpt2Model model;
    private final Kernel kernel;
    private final boolean shared;
    private final int stepTokens;
    private final Ticker ticker;
    private final StepCosts costs = new StepCosts(COST_WEIGHT, null);
    private final Deque<Job> jobs = new ArrayDeque<>();
    private long waitingTokens;
    private boolean warned;
    /** Grows when a prompt is begun and when it is done, so it is odd in between. */
    private volatile long moment;

    private volatile boolean closed;
    private volatile @Nullable Thread thread;

    /**
     * Takes over a model, which it closes.
     *
     * @param shared whether it is a replica of the engine's, so that the engine can go on with the caches made here
     */
    Prefiller(Gpt2Model model, boolean shared, int stepTokens, Ticker ticker) {
        this.model = model;
        this.kernel = model.kernel();
        this.shared = shared;
        this.stepTokens = stepTokens;
        this.ticker = ticker;
    }

    boolean closed() {
        return closed;
    }

    /** {@return a number that tells whether a prompt is {@linkplain #computing being computed}, and which; any thread} */
    long moment() {
        return moment;
    }

    static boolean computing(long moment) {
        return moment % 2 != 0;
    }

    /** {@return what steps cost here} */
    StepCosts costs() {
        return costs;
    }

    /** {@return the seconds that a prompt of this length takes} */
    double seconds(int tokens) {
        int steps = (tokens + stepTokens - 1) / stepTokens;
        return tokens * costs.secondsPerToken() + steps * costs.seconds(0);
    }

    /** {@return how many tokens wait here or are being computed} */
    long backlog() {
        synchronized (jobs) {
            return waitingTokens;
        }
    }

    /**
     * Takes a prompt, of which all but the last token are computed. Any thread.
     *
     * @param room of the cache that the engine goes on with
     */
    void submit(Work work, int[] tokens, int room, Returned then) {
        synchronized (jobs) {
            jobs.add(new Job(work, tokens, room, then));
            waitingTokens += tokens.length;
        }
        Thread current = thread;
        if (current != null) {
            LockSupport.unpark(current);
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
            if (job == null) {
                return false;
            }
            moment++;
        }
        Handover handover = null;
        try {
            handover = compute(job);
        } catch (RuntimeException | OutOfMemoryError e) {
            if (!warned) {
                warned = true;
                LOG.warn(
                        "A prompt could not be computed on {}; it is computed where it is decoded", kernel.device(), e);
            }
        } finally {
            synchronized (jobs) {
                moment++;
                waitingTokens -= job.tokens.length;
            }
        }
        job.then.returned(job.work, handover);
        return true;
    }

    /** {@return the prompt, or null if nobody wants it any longer} */
    private @Nullable Handover compute(Job job) {
        int end = job.tokens.length - 1;
        Kernel.KvCache cache = kernel.allocate(shared ? job.room : end);
        Handover handover = new Handover(cache);
        boolean complete = false;
        try {
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
            // Of the cache itself the engine needs no copies, but for its prefixes.
            int copied = shared ? end / PrefixCache.BLOCK_TOKENS * PrefixCache.BLOCK_TOKENS : end;
            for (int from = 0; from < copied; from += PrefixCache.BLOCK_TOKENS) {
                handover.add(cache.save(from, Math.min(PrefixCache.BLOCK_TOKENS, end - from)));
            }
            complete = true;
            return handover;
        } finally {
            if (!complete) {
                handover.close();
            } else if (!shared) {
                handover.closeCache();
            }
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
         * @param handover all but its last token, to be closed; null if it was not computed
         */
        void returned(Work work, @Nullable Handover handover);
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Job(Work work, int[] tokens, int room, Returned then) {}
}
