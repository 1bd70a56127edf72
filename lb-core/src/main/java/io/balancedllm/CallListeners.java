/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.endpoint.ResponseInfo;
import io.balancedllm.event.AttemptInfo;
import io.balancedllm.event.AttemptListener;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.HeaderSink;
import io.balancedllm.event.LlmListener;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells several listeners as one; what a listener throws is logged and harms nobody. */
final class CallListeners implements CallListener {
    private static final Logger LOG = LoggerFactory.getLogger(LlmListener.class);

    private final List<CallListener> listeners;

    private CallListeners(List<CallListener> listeners) {
        this.listeners = listeners;
    }

    /** {@return who is told about this call, or null for nobody} */
    static @Nullable CallListener of(List<LlmListener> listeners, CallInfo call) {
        List<CallListener> interested = collect(listeners, listener -> listener.callStarted(call));
        return interested.isEmpty() ? null : new CallListeners(interested);
    }

    @Override
    public void waiting() {
        each(listeners, CallListener::waiting);
    }

    @Override
    public @Nullable AttemptListener attemptStarted(AttemptInfo attempt, HeaderSink headers) {
        List<AttemptListener> interested = collect(listeners, listener -> listener.attemptStarted(attempt, headers));
        return interested.isEmpty() ? null : new AttemptListeners(interested);
    }

    @Override
    public void ended(CallEnd end) {
        each(listeners, listener -> listener.ended(end));
    }

    private static <L, R> List<R> collect(List<L> listeners, Function<L, @Nullable R> function) {
        List<R> results = new ArrayList<>(listeners.size());
        each(listeners, listener -> {
            R result = function.apply(listener);
            if (result != null) {
                results.add(result);
            }
        });
        return results;
    }

    private static <L> void each(List<L> listeners, Consumer<L> action) {
        for (L listener : listeners) {
            try {
                action.accept(listener);
            } catch (Throwable e) { // also an Error: the call and its lease must not go down with a listener
                LOG.warn("the listener {} failed", listener, e);
            }
        }
    }

    private record AttemptListeners(List<AttemptListener> listeners) implements AttemptListener {
        @Override
        public void accepted(ResponseInfo info) {
            each(listeners, listener -> listener.accepted(info));
        }

        @Override
        public void firstToken() {
            each(listeners, AttemptListener::firstToken);
        }

        @Override
        public void ended(AttemptSummary summary) {
            each(listeners, listener -> listener.ended(summary));
        }
    }
}
