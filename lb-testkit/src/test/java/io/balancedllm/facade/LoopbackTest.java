/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.LlmListener;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.ManualScheduler;
import io.balancedllm.testkit.MockLlmServer;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;

/**
 * Two scripted servers under one balancer on virtual time. Round robin sends the first attempt to {@code first}, the next
 * one to {@code second}.
 */
abstract class LoopbackTest {
    static final Duration PATIENCE = Duration.ofSeconds(20);
    static final CompletionRequest CHAT =
            CompletionRequest.builder().user("Tell me a story").build();

    private final BlockingQueue<CallEnd> ends = new LinkedBlockingQueue<>();
    final ManualScheduler time = new ManualScheduler();
    final MockLlmServer first = MockLlmServer.start();
    final MockLlmServer second = MockLlmServer.start();
    final TappedBackend firstTap = new TappedBackend(OpenAiBackend.at(first.url()));
    final BalancedLlm llm = BalancedLlm.builder()
            .endpoint("first", firstTap)
            .endpoint("second", OpenAiBackend.at(second.url()))
            .routing(RoutingPolicies.roundRobin())
            .healthCheck(HealthCheck.off()) // sockets are real, and time is not
            .scheduler(time)
            .ticker(time.ticker())
            .listener(new LlmListener() {
                @Override
                public CallListener callStarted(CallInfo call) {
                    return new CallListener() {
                        @Override
                        public void ended(CallEnd end) {
                            ends.add(end);
                        }
                    };
                }
            })
            .build();
    final BalancedLlm once = llm.with(CallOptions.builder().retryable(false).build());

    @AfterEach
    void everythingIsAtRest() throws Exception {
        CompletableFuture.allOf(llm.pool().drain("first"), llm.pool().drain("second"))
                .get(PATIENCE.toSeconds(), TimeUnit.SECONDS); // what closing a stream began may take a moment
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::inFlight).containsOnly(0);
        llm.close();
        first.close();
        second.close();
    }

    /** Waits for the end of the next call: then all that is counted is counted. */
    CallEnd nextEnd() throws InterruptedException {
        CallEnd end = ends.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        if (end == null) {
            throw new AssertionError("no call ended within " + PATIENCE);
        }
        return end;
    }

    static LlmException failureOf(ThrowingCallable call) {
        LlmException failure = catchThrowableOfType(LlmException.class, call);
        assertThat(failure).as("a failure was expected").isNotNull();
        return failure;
    }

    /** Reads chunks until one has text, and returns it. */
    static String nextText(CompletionStream stream) {
        while (stream.iterator().hasNext()) {
            String text = stream.iterator().next().text();
            if (!text.isEmpty()) {
                return text;
            }
        }
        throw new AssertionError("the stream ended without text");
    }
}
