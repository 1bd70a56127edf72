/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.alone;
import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.testkit.EchoBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class Gpt2PoolTest {
    private final AtomicLong now = new AtomicLong();

    @Test
    void whatCannotBeginAtOneIsTakenByAnotherThatHasRoom() {
        try (Gpt2Pool pool = stepped(2)) {
            Engine first = pool.backends().get(0).engine();
            Engine second = pool.backends().get(1).engine();
            List<RecordingSink> sinks = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                sinks.add(start(pool.backends().get(0), greedy(prompt(20, i), 10)));
            }
            assertThat(second.step()).as("nobody is crowded yet").isFalse();
            first.step();
            assertThat(first.crowd()).isEqualTo(3);
            second.step();
            assertThat(first.crowd()).isEqualTo(2);
            assertThat(second.report().running()).hasValue(1);
            boolean worked = true;
            while (worked) {
                worked = first.step();
                worked |= second.step();
                now.addAndGet(1_000_000);
            }
            for (int i = 0; i < 4; i++) {
                assertThat(sinks.get(i).completion().text()).isEqualTo(alone(prompt(20, i), 10));
            }
            assertThat(first.report().requests()).hasValue(0);
            assertThat(second.report().requests()).hasValue(0);
        }
    }

    @Test
    void aStolenGenerationIsCancelledAndFedWhereItIs() {
        try (Gpt2Pool pool = stepped(2)) {
            Engine first = pool.backends().get(0).engine();
            Engine second = pool.backends().get(1).engine();
            start(pool.backends().get(0), greedy(prompt(20, 1), 100));
            RecordingSink stolen = new RecordingSink();
            Generation generation = pool.backends().get(0).start(Attempt.of(greedy(prompt(20, 2), 50)), stolen);
            first.step();
            second.step();
            generation.request(3);
            while (second.step()) {}
            assertThat(stolen.chunks).hasSize(3);
            generation.cancel();
            second.step();
            assertThat(stolen.terminal).isEqualTo("cancelled");
            assertThat(second.report().requests()).hasValue(0);
        }
    }

    @Test
    void aGenerationThatHasBegunStaysWhereItIs() {
        try (Gpt2Pool pool = stepped(2)) {
            Engine first = pool.backends().get(0).engine();
            RecordingSink several = start(
                    pool.backends().get(0),
                    greedy(prompt(20, 1), 10).newBuilder().n(3).build());
            first.step();
            first.step();
            assertThat(pool.backends().get(1).engine().step()).isFalse();
            while (first.step()) {}
            assertThat(several.completion().choices()).hasSize(3);
        }
    }

    @Test
    void replicasShareOneCopyOfTheWeights() {
        try (Gpt2Pool pool = stepped(3)) {
            Gpt2Backend first = pool.backends().get(0);
            first.close();
            RecordingSink sink = start(pool.backends().get(2), greedy(prompt(20, 1), 10));
            while (pool.backends().get(2).engine().step()) {}
            assertThat(sink.completion().text()).isEqualTo(alone(prompt(20, 1), 10));
        }
    }

    @Test
    void aDeviceThatIsNotThereIsNamed() {
        assertThatThrownBy(() -> Gpt2Pool.builder(Golden.path(Stepped.MODEL))
                        .replicas("cpu", 1)
                        .replicas("gpu71", 1)
                        .build())
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContainingAll("gpu71 is not there", "PYTORCH_LIBRARY_PATH", "PYTORCH_VERSION", "FLAVOR");
        assertThatThrownBy(() -> Gpt2Pool.builder().build()).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> Gpt2Pool.builder().replicas("cpu", 0)).hasMessageContaining("count");
    }

    @Test
    void allGpusWhereThereIsNoneSaysWhatIsMissing() {
        assumeTrue(TorchRuntime.gpus() == 0, "skipped: there is a GPU");
        assertThatThrownBy(() -> Gpt2Pool.onAllGpus(Golden.path(Stepped.MODEL)))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContainingAll("PyTorch sees 0", "PYTORCH_LIBRARY_PATH", "PYTORCH_VERSION", "FLAVOR");
    }

    @Test
    void memoryIsGivenInBytesOrTokensAndMustHoldAContext() {
        try (Gpt2Backend backend =
                Gpt2Backend.builder(Golden.path(Stepped.MODEL)).kvBytes(1 << 20).build()) {
            long perToken = backend.model().kernel().kvBytesPerToken();
            assertThat(backend.traits().kvCapacityTokens()).hasValue((1 << 20) / perToken);
        }
        assertThatThrownBy(() -> Gpt2Backend.builder(Golden.path(Stepped.MODEL))
                        .kvBytes(1_000)
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("kvBytes", "context of 128");
    }

    @Test
    void mixesWithOtherEndpointsAndServesRateLimitedTenantsInTheirTurn() throws Exception {
        Gpt2Pool pool = Gpt2Pool.builder(Golden.path(Stepped.MODEL))
                .replicas("cpu", 2)
                .each(backend -> backend.modelName("tiny").maxSequences(1))
                .build();
        AtomicInteger wrapped = new AtomicInteger();
        EndpointPool.Builder endpoints = EndpointPool.builder();
        pool.endpoints().forEach(endpoints::add);
        endpoints.add(Endpoint.builder("other", new EchoBackend()).model("echo").build());
        endpoints.add(Endpoint.of("counted", new Counting(pool.backends().get(1), wrapped)));
        try (BalancedLlm llm = BalancedLlm.builder()
                .pool(endpoints.build())
                .promptEncoder(pool.promptEncoder())
                .build()) {
            BalancedLlm batch =
                    llm.with(CallOptions.builder().tenant("batch").priority(-1).build());
            List<CompletableFuture<Completion>> answers = new ArrayList<>();
            for (int i = 0; i < 24; i++) {
                answers.add((i % 2 == 0 ? llm : batch)
                        .completeAsync(greedy(prompt(30, i % 3), 8)
                                .newBuilder()
                                .model("tiny")
                                .build()));
            }
            for (int i = 0; i < 24; i++) {
                assertThat(answer(answers.get(i)).text()).isEqualTo(alone(prompt(30, i % 3), 8));
            }
            assertThat(wrapped.get()).isPositive();
            assertThat(llm.pool().endpoints().stream().map(status -> status.id()))
                    .contains("tiny-cpu-1", "tiny-cpu-2", "other");
        }
    }

    @Test
    void theBalancerExpectsExactlyWhatEachBackendThenFindsInItsCache() throws Exception {
        Gpt2Pool pool = Gpt2Pool.builder(Golden.path(Stepped.MODEL))
                .replicas("cpu", 2)
                .each(backend -> backend.modelName("tiny").kvTokens(512))
                .build();
        EndpointPool.Builder endpoints = EndpointPool.builder();
        pool.endpoints().forEach(endpoints::add);
        AtomicInteger expected = new AtomicInteger();
        AtomicInteger next = new AtomicInteger();
        RoutingPolicy taking = (call, candidates) -> {
            EndpointView chosen = candidates.get(next.getAndIncrement() % 3 % candidates.size());
            expected.set(call.cachedTokens(chosen));
            return chosen;
        };
        try (BalancedLlm llm = BalancedLlm.builder()
                .pool(endpoints.build())
                .routing(taking)
                .promptEncoder(pool.promptEncoder())
                .build()) {
            int found = 0;
            for (int i = 0; i < 40; i++) {
                // Answers that fill no further block: that would be told after the answer has come.
                int[] prompt = prompt(18 + 16 * (i * 7 % 5), i % 3);
                Completion completion = answer(llm.completeAsync(
                        greedy(prompt, 4).newBuilder().model("tiny").build()));
                int cached = completion.usage().orElseThrow().cachedTokens().orElseThrow();
                assertThat(expected.get()).as("call %d", i).isEqualTo(cached);
                found += cached;
            }
            assertThat(found).isPositive();
        }
    }

    @Test
    void aModelIsExchangedUnderLoadAndNoCallFails() throws Exception {
        EndpointPool endpoints =
                EndpointPool.builder().add(Endpoint.of("local", tiny())).build();
        try (BalancedLlm llm = BalancedLlm.builder().pool(endpoints).build()) {
            List<CompletableFuture<Completion>> answers = new ArrayList<>();
            List<Gpt2Backend> replaced = new ArrayList<>();
            for (int round = 0; round < 5; round++) {
                for (int i = 0; i < 8; i++) {
                    answers.add(llm.completeAsync(greedy(prompt(30, i), 20)));
                }
                Gpt2Backend next = tiny();
                replaced.add(next);
                endpoints.replace(Endpoint.of("local", next));
            }
            for (int i = 0; i < answers.size(); i++) {
                assertThat(answer(answers.get(i)).text()).isEqualTo(alone(prompt(30, i % 8), 20));
            }
            for (Gpt2Backend old : replaced.subList(0, 4)) {
                assertThat(old.probe(Duration.ofSeconds(1))
                                .toCompletableFuture()
                                .join()
                                .status())
                        .isEqualTo(ProbeResult.Status.UNHEALTHY);
            }
        }
    }

    private static Completion answer(CompletableFuture<Completion> future) throws Exception {
        return future.get(60, TimeUnit.SECONDS);
    }

    private static Gpt2Backend tiny() {
        return Gpt2Backend.builder(Golden.path(Stepped.MODEL)).modelName("tiny").build();
    }

    private Gpt2Pool stepped(int count) {
        return Gpt2Pool.builder(Golden.path(Stepped.MODEL))
                .replicas("cpu", count)
                .each(backend -> backend.maxSequences(1).kvTokens(512))
                .buildStopped(now::get);
    }

    private static RecordingSink start(LlmBackend backend, CompletionRequest request) {
        RecordingSink sink = new RecordingSink();
        backend.start(Attempt.of(request), sink).request(Integer.MAX_VALUE);
        return sink;
    }

    /** A user's own backend around one of ours. */
    private record Counting(LlmBackend backend, AtomicInteger calls) implements LlmBackend {
        @Override
        public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
            calls.incrementAndGet();
            return backend.start(attempt, sink);
        }

        @Override
        public CompletionStage<ProbeResult> probe(Duration timeout) {
            return backend.probe(timeout);
        }

        @Override
        public CompletionStage<Embeddings> embed(Attempt<EmbeddingRequest> attempt) {
            return backend.embed(attempt);
        }

        @Override
        public BackendTraits traits() {
            return backend.traits();
        }

        @Override
        public void close() {
            backend.close();
        }
    }
}
