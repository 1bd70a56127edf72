/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.opentest4j.TestAbortedException;
import org.reactivestreams.tck.TestEnvironment;
import org.reactivestreams.tck.flow.FlowPublisherVerification;
import org.testng.SkipException;

/** {@link BalancedLlm#publish} under the Reactive Streams Technology Compatibility Kit. */
@DisplayName("publish obeys Reactive Streams")
class PublisherTckTest {
    /** How long the kit waits for a signal. */
    private static final long TIMEOUT_MILLIS = 2_000;
    /** How long the kit watches for signals that must not come. */
    private static final long QUIET_MILLIS = 50;

    private static final long MOST_CHUNKS = 10_000;

    private final BalancedLlm llm = BalancedLlm.builder()
            .endpoint("scripted", new ScriptedBackend().onStart(PublisherTckTest::answer))
            .build();

    @AfterEach
    void close() {
        llm.close();
    }

    @TestFactory
    Stream<DynamicTest> ruleOfTheSpecification() {
        return rules().stream().map(rule -> DynamicTest.dynamicTest(rule.getName(), () -> check(rule)));
    }

    @Test
    void theKitHasItsRules() {
        assertThat(rules())
                .hasSizeGreaterThan(30)
                .anyMatch(rule -> rule.getName().startsWith("required_spec309"));
    }

    private static List<Method> rules() {
        return Arrays.stream(FlowPublisherVerification.class.getMethods())
                .filter(method -> method.isAnnotationPresent(org.testng.annotations.Test.class))
                .filter(method -> method.getName().matches("(required|optional|stochastic)_.*"))
                .sorted(Comparator.comparing(Method::getName))
                .toList();
    }

    private void check(Method rule) throws Throwable {
        Verification verification = new Verification();
        verification.setUp();
        try {
            rule.invoke(verification);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof SkipException skipped) {
                throw new TestAbortedException(skipped.getMessage(), skipped);
            }
            throw e.getCause();
        }
    }

    /** As many chunks as {@code max_tokens} says; the model "failing" fails without any. */
    private static void answer(ScriptedAttempt attempt) {
        if (attempt.request().model().isPresent()) {
            attempt.fail(LlmException.Reason.INVALID_REQUEST);
            return;
        }
        attempt.accept();
        int chunks = attempt.request().maxTokens().orElse(0);
        for (int i = 0; i < chunks; i++) {
            attempt.chunk("token " + i);
        }
        attempt.complete();
    }

    private final class Verification extends FlowPublisherVerification<CompletionChunk> {
        Verification() {
            super(new TestEnvironment(TIMEOUT_MILLIS, QUIET_MILLIS));
        }

        @Override
        public Flow.Publisher<CompletionChunk> createFlowPublisher(long elements) {
            return llm.with(CallOptions.builder().retryable(false).build())
                    .publish(CompletionRequest.builder()
                            .prompt("count")
                            .maxTokens((int) Math.min(MOST_CHUNKS, elements))
                            .build());
        }

        @Override
        public Flow.Publisher<CompletionChunk> createFailedFlowPublisher() {
            return llm.publish(
                    CompletionRequest.builder("failing").prompt("fail").build());
        }

        @Override
        public long maxElementsFromPublisher() {
            return MOST_CHUNKS;
        }
    }
}
