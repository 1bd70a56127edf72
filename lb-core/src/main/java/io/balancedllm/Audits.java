/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Calls that ask an endpoint what the cache has answered already, so that the cache can compare. Nobody waits for them:
 * few at a time, none while callers wait for room, one attempt each.
 */
final class Audits {
    /** How many run at a time; what would be one more is not made. */
    static final int MAX_RUNNING = 2;
    /** How long one may take. */
    static final Duration TIMEOUT = Duration.ofMinutes(2);

    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final EngineRoom room;
    private final Set<Call> running = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    Audits(EngineRoom room) {
        this.room = room;
    }

    /** Asks for a fresh answer to the same request; where user code may run. */
    void start(SharedCall.Terms terms, Consumer<Completion> audit) {
        if (closed || running.size() >= MAX_RUNNING || !room.line().isEmpty()) {
            return;
        }
        CallOptions options = terms.options()
                .newBuilder()
                .timeout(TIMEOUT)
                .retryable(false)
                .priority(Integer.MIN_VALUE)
                .build();
        CallRecord record = new CallRecord(room);
        record.cache(new CacheOutcome.Bypass("audit"));
        CollectingOutput output = new CollectingOutput(terms.work().operation(), room::callback);
        Call call = new Call(room, terms.work(), options, output, false, record);
        running.add(call);
        CompletableFuture<Completion> unused = output.future().whenComplete((answer, failure) -> {
            running.remove(call);
            if (answer != null) {
                tell(audit, answer);
            }
        });
        call.start();
        if (closed) {
            call.cancel("the balancer is closed");
        }
    }

    private static void tell(Consumer<Completion> audit, Completion answer) {
        try {
            audit.accept(answer);
        } catch (RuntimeException e) {
            LOG.warn("the cache failed to take an answer to compare with", e);
        }
    }

    /** Makes no more of them, and gives up those that run. */
    void close() {
        closed = true;
        running.forEach(call -> call.cancel("the balancer is closed"));
    }
}
