/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionChunk.Delta;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.SamplingOptions;
import io.balancedllm.event.AttemptInfo;
import io.balancedllm.event.AttemptListener;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.HeaderSink;
import io.balancedllm.event.LlmListener;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.routing.RoutingPolicies;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Two workers in processes of their own, and a balancer over them. */
class FleetTest {
    private static final CompletionRequest LONG_STORY = CompletionRequest.builder()
            .prompt("Once upon a time")
            .sampling(SamplingOptions.builder().temperature(1).seed(11).build())
            .maxTokens(200)
            .build();

    /** So many choices take a worker seconds, and the death of one comes in the middle however busy the machine is. */
    private static final CompletionRequest LONG_WORK =
            LONG_STORY.newBuilder().n(32).build();

    @SuppressWarnings("NullAway.Init")
    private static WorkerProcess steady;

    @BeforeAll
    static void start() throws Exception {
        steady = WorkerProcess.start();
    }

    @AfterAll
    static void stop() {
        steady.close();
    }

    @Test
    void aStoryIsStreamedFromRemoteWorkers() throws Exception {
        try (WorkerProcess other = WorkerProcess.start()) {
            CommandLineFixture result = CommandLineFixture.run(
                    "story",
                    "--endpoint",
                    steady.url(),
                    "--endpoint",
                    other.url(),
                    "--max-tokens",
                    "12",
                    "--seed",
                    "1");

            assertThat(result.code()).isZero();
            assertThat(result.out()).startsWith("Once upon a time").contains("served by 127.0.0.1:");
        }
    }

    @Test
    void theWireCarriesWhatTheModelSaidToTheLetter() {
        try (BalancedLlm remote = over(steady)) {
            String whole = remote.complete(LONG_STORY).text();

            StringBuilder streamed = new StringBuilder();
            try (CompletionStream stream = remote.stream(LONG_STORY)) {
                stream.forEach(chunk -> streamed.append(chunk.text()));
            }
            assertThat(streamed.toString()).isEqualTo(whole).isNotBlank();
        }
    }

    @Test
    void chatsAnswerWithUsageAndSeveralChoices() {
        try (BalancedLlm remote = over(steady)) {
            Completion answer = remote.complete(CompletionRequest.builder()
                    .user("Tell me about a fox")
                    .n(2)
                    .seed(1)
                    .maxTokens(6)
                    .build());

            assertThat(answer.choices()).hasSize(2);
            assertThat(answer.usage().orElseThrow().completionTokens()).isBetween(2, 12);
            assertThat(answer.model()).hasValue("story");
        }
    }

    @Test
    void embeddingsComeOverTheWireAndWhatIsUnsupportedSaysSo() {
        try (BalancedLlm remote = over(steady)) {
            List<float[]> vectors =
                    remote.embed(EmbeddingRequest.of("a fox", "a fox")).vectors();
            assertThat(vectors).hasSize(2);
            assertThat(vectors.get(0)).containsExactly(vectors.get(1));

            EmbeddingRequest shorter =
                    EmbeddingRequest.of("a fox").newBuilder().dimensions(5).build();
            LlmException failure = catchThrowableOfType(LlmException.class, () -> remote.embed(shorter));
            assertThat(failure.reason()).isEqualTo(Reason.UNSUPPORTED);
        }
    }

    @Test
    void aCollectedCallSurvivesTheDeathOfItsWorker() throws Exception {
        try (WorkerProcess doomed = WorkerProcess.start()) {
            BlockingQueue<String> firstTokens = new LinkedBlockingQueue<>();
            try (BalancedLlm llm = BalancedLlm.builder()
                    .endpoint("doomed", OpenAiBackend.at(doomed.url()))
                    .endpoint("steady", OpenAiBackend.at(steady.url()))
                    .routing(RoutingPolicies.roundRobin())
                    .listener(firstTokenTo(firstTokens))
                    .build()) {
                List<String> expected = texts(over(steady));
                CompletableFuture<Completion> answer = llm.completeAsync(LONG_WORK);
                assertThat(firstTokens.poll(WorkerProcess.PATIENCE_SECONDS, TimeUnit.SECONDS))
                        .isEqualTo("doomed");
                doomed.kill();

                Completion story = answer.get(WorkerProcess.PATIENCE_SECONDS, TimeUnit.SECONDS);
                assertThat(story.decision().orElseThrow().endpoint()).isEqualTo("steady");
                assertThat(story.decision().orElseThrow().attempts()).hasSize(2);
                assertThat(texts(story)).isEqualTo(expected);
            }
        }
    }

    @Test
    void aStreamThatHasDeliveredTextEndsTypedWithItsPartialText() throws Exception {
        try (WorkerProcess doomed = WorkerProcess.start();
                BalancedLlm llm = over(doomed);
                CompletionStream stream = llm.stream(LONG_WORK)) {
            Iterator<CompletionChunk> chunks = stream.iterator();
            StringBuilder text = new StringBuilder(textOfFirstChoice(chunks.next()));
            doomed.kill();

            LlmException failure = catchThrowableOfType(LlmException.class, () -> {
                while (chunks.hasNext()) {
                    text.append(textOfFirstChoice(chunks.next()));
                }
            });
            assertThat(failure.reason()).isIn(Reason.TRUNCATED, Reason.UNAVAILABLE);
            assertThat(failure.partialText()).isNotEmpty().isEqualTo(text.toString());
        }
    }

    @Test
    void aWorkerThatIsAskedToEndExitsWithZero() throws Exception {
        try (WorkerProcess worker = WorkerProcess.start()) {
            assertThat(worker.terminate()).isZero();
        }
    }

    private static List<String> texts(BalancedLlm llm) {
        try (llm) {
            return texts(llm.complete(LONG_WORK));
        }
    }

    private static List<String> texts(Completion completion) {
        return completion.choices().stream().map(Choice::text).toList();
    }

    private static BalancedLlm over(WorkerProcess worker) {
        return BalancedLlm.builder()
                .endpoint("worker", OpenAiBackend.at(worker.url()))
                .build();
    }

    private static String textOfFirstChoice(CompletionChunk chunk) {
        return chunk instanceof Delta delta && delta.index() == 0 ? delta.text() : "";
    }

    private static LlmListener firstTokenTo(BlockingQueue<String> endpoints) {
        return new LlmListener() {
            @Override
            public CallListener callStarted(CallInfo call) {
                return new CallListener() {
                    @Override
                    public AttemptListener attemptStarted(AttemptInfo attempt, HeaderSink headers) {
                        return new AttemptListener() {
                            @Override
                            public void firstToken() {
                                endpoints.add(attempt.endpoint());
                            }
                        };
                    }
                };
            }
        };
    }
}
