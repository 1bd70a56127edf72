/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.LlmException;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A cold publisher: each subscription is a call of its own. Signals come on the callback pool, one at a time. */
final class ChunkPublisher implements Flow.Publisher<CompletionChunk> {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final EngineRoom room;
    private final BiFunction<Output, Boolean, Ongoing> newCall;

    /** A publisher whose calls are made by {@code newCall}, not started yet. */
    ChunkPublisher(EngineRoom room, BiFunction<Output, Boolean, Ongoing> newCall) {
        this.room = room;
        this.newCall = newCall;
    }

    @Override
    public void subscribe(Flow.Subscriber<? super CompletionChunk> subscriber) {
        if (subscriber == null) {
            throw new NullPointerException("subscriber");
        }
        Subscription subscription = new Subscription(subscriber);
        subscriber.onSubscribe(subscription);
        subscription.open();
    }

    private final class Subscription implements Flow.Subscription {
        private final SerialExecutor signals = new SerialExecutor(room::callback);
        private final ChunkBuffer buffer = new ChunkBuffer(this::signal);
        private final Ongoing call = newCall.apply(buffer, true);
        private final AtomicLong demand = new AtomicLong();
        /** Set by whoever is first: the start of the call, or a cancel, after which it never starts. */
        private final AtomicBoolean begun = new AtomicBoolean();

        private volatile boolean open;
        private volatile boolean cancelled;
        private volatile @Nullable IllegalArgumentException badRequest;
        /** Touched by signals only; dropped at the end so that nobody holds on to the subscriber. */
        private Flow.@Nullable Subscriber<? super CompletionChunk> subscriber;

        Subscription(Flow.Subscriber<? super CompletionChunk> subscriber) {
            this.subscriber = subscriber;
            buffer.demand(call::demand);
        }

        void open() {
            open = true;
            if (begun.compareAndSet(false, true)) {
                call.start();
            }
            signal();
        }

        @Override
        public void request(long n) {
            if (n <= 0) {
                badRequest = new IllegalArgumentException("request(n) takes a positive number (rule 3.9), got " + n);
            } else {
                demand.accumulateAndGet(n, (a, b) -> a + b < 0 ? Long.MAX_VALUE : a + b);
            }
            signal();
        }

        @Override
        public void cancel() {
            cancelled = true;
            if (!begun.compareAndSet(false, true)) {
                call.cancel("the subscription was cancelled");
            }
            signal();
        }

        private void signal() {
            if (open) {
                signals.execute(this::drain);
            }
        }

        private void drain() {
            Flow.Subscriber<? super CompletionChunk> target = subscriber;
            if (target == null) {
                return;
            }
            if (cancelled) {
                subscriber = null;
                return;
            }
            if (badRequest != null) {
                subscriber = null;
                call.cancel("the subscriber broke rule 3.9");
                target.onError(badRequest);
                return;
            }
            while (demand.get() > 0 && !cancelled) {
                CompletionChunk chunk = buffer.poll();
                if (chunk == null) {
                    break;
                }
                if (demand.get() != Long.MAX_VALUE) {
                    demand.decrementAndGet();
                }
                try {
                    target.onNext(chunk);
                } catch (Throwable e) { // rule 2.13: it must not throw, and counts as cancelled when it does
                    LOG.warn("the subscriber {} failed", target, e);
                    subscriber = null;
                    call.cancel("the subscriber threw " + e);
                    return;
                }
            }
            if (!cancelled && buffer.exhausted()) {
                subscriber = null;
                LlmException failure = buffer.failure();
                if (failure == null) {
                    target.onComplete();
                } else {
                    target.onError(failure);
                }
            }
        }
    }
}
