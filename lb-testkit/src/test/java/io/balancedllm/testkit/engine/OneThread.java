/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.testkit.ManualExecutor;
import io.balancedllm.testkit.ManualScheduler;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/** Everything a balancer runs on, moved by hand on the thread of a test. */
final class OneThread {
    static final CompletionRequest REQUEST = CompletionRequest.of("Once");

    final ManualScheduler timers = new ManualScheduler();
    final ManualExecutor loop = new ManualExecutor();
    final ManualExecutor callbacks = new ManualExecutor();

    /** {@return a builder of a balancer that runs on this} */
    BalancedLlm.Builder balancer() {
        return BalancedLlm.builder()
                .executor(loop)
                .callbackExecutor(callbacks)
                .scheduler(timers)
                .ticker(timers.ticker())
                .healthCheck(HealthCheck.off())
                .random(new Random(1));
    }

    /** Runs what is there to be run, until nothing is. */
    void settle() {
        while (loop.runAll() + callbacks.runAll() > 0) {
            // what ran may have handed in more
        }
    }

    void pass(Duration time) {
        timers.advance(time);
        settle();
    }

    /** {@return what the future failed with} */
    static LlmException failureOf(CompletableFuture<?> future) {
        if (!future.isDone()) {
            throw new AssertionError("the call has not ended");
        }
        @Nullable Throwable failure = future.handle((answer, thrown) -> thrown).getNow(null);
        Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
        if (cause instanceof LlmException typed) {
            return typed;
        }
        throw new AssertionError("failed with " + failure);
    }
}
