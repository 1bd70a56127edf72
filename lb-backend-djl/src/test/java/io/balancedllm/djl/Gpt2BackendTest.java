/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.ProbeResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** How sequences share the engine: in one batch, with its prefixes, its queue and its end. */
class Gpt2BackendTest extends Gpt2Scene {
    @ParameterizedTest
    @EnumSource(names = {"PLAIN_JAVA", "SCRIPT"})
    void greedyAnswersAreTheSameAloneAndInABatchOfEightWithAndWithoutPrefixReuse(KernelChoice kernel) {
        use(Gpt2Backend.builder(Golden.path("gpt2-tiny-a")).kernel(kernel));
        List<RecordingSink> batched = new ArrayList<>();
        for (int round = 0; round < 2; round++) {
            for (JsonNode prompt : NUMBERS.path("prompts")) {
                int[] expected = Golden.ints(prompt.path("greedy").path("ids"));
                if (expected.length > 0) {
                    batched.add(start(greedy(prompt, expected.length)));
                }
            }
        }
        runAll();
        for (int round = 0; round < 3; round++) {
            int next = 0;
            for (JsonNode prompt : NUMBERS.path("prompts")) {
                int[] expected = Golden.ints(prompt.path("greedy").path("ids"));
                if (expected.length == 0) {
                    continue;
                }
                Completion completion = round < 2
                        ? batched.get(round * batched.size() / 2 + next).completion()
                        : run(greedy(prompt, expected.length));
                assertThat(completion.text()).isEqualTo(text(expected));
                Usage usage = completion.usage().orElseThrow();
                assertThat(usage.completionTokens()).isEqualTo(expected.length);
                int reusable = (prompt.path("ids").size() - 1) / 16 * 16;
                assertThat(usage.cachedTokens().orElseThrow()).isBetween(round == 2 ? reusable : 0, reusable);
                next++;
            }
        }
    }

    @Test
    void cachedTokensAreCountedExactlyAndNeverCoverTheWholePrompt() {
        int[] prompt = new int[49];
        Arrays.setAll(prompt, i -> i + 1);
        assertThat(cached(Arrays.copyOf(prompt, 32))).isZero();
        assertThat(cached(Arrays.copyOf(prompt, 32))).isEqualTo(16);
        assertThat(cached(prompt)).isEqualTo(32);
        assertThat(cached(prompt)).isEqualTo(48);
        prompt[20] = 300;
        assertThat(cached(prompt)).isEqualTo(16);
    }

    @Test
    void aFollowingTurnReusesTheAnswerBeforeIt() {
        int[] prompt = {1, 2, 3, 4};
        run(ids(prompt).maxTokens(60).temperature(0).build());
        int[] answer;
        try (Gpt2Model model = Golden.model("gpt2-tiny-a", KernelChoice.PLAIN_JAVA)) {
            answer = model.greedy(prompt, 60);
        }
        int[] next = Arrays.copyOf(prompt, 64);
        System.arraycopy(answer, 0, next, 4, 60);
        assertThat(cached(next)).isEqualTo(48);
    }

    @Test
    void prefixesGiveWayToRunningSequences() {
        use(Gpt2Backend.builder(Golden.path("gpt2-tiny-a")).kvTokens(128));
        int[] prompt = new int[49];
        Arrays.fill(prompt, 7);
        assertThat(cached(prompt)).isZero();
        assertThat(cached(prompt)).isEqualTo(48);
        run(ids(1, 2)
                .maxTokens(120)
                .temperature(0)
                .extra(Map.of("ignore_eos", true))
                .build());
        assertThat(cached(prompt)).isZero();
    }

    @Test
    void sequencesJoinAndLeaveTheBatchBetweenSteps() {
        use(Gpt2Backend.builder(Golden.path("gpt2-tiny-a")).maxSequences(2));
        RecordingSink longOne = start(endless(1).maxTokens(20).build());
        RecordingSink shortOne = start(endless(2).maxTokens(3).build());
        RecordingSink waiting = start(endless(3).maxTokens(3).build());
        step(2);
        assertThat(waiting.accepted).isFalse();
        step(2);
        assertThat(shortOne.terminal).isEqualTo("completed");
        assertThat(waiting.accepted).isTrue();
        assertThat(longOne.terminal).isEmpty();
        runAll();
        assertThat(waiting.completion().usage().orElseThrow().completionTokens())
                .isEqualTo(3);
        assertThat(longOne.completion().usage().orElseThrow().completionTokens())
                .isEqualTo(20);
    }

    @Test
    void aSequenceWithoutDemandSitsOutAndHoldsNobodyUp() {
        RecordingSink slow = new RecordingSink();
        Generation slowGeneration =
                backend.start(Attempt.of(endless(1).maxTokens(5).build()), slow);
        RecordingSink fast = start(endless(2).maxTokens(5).build());
        runAll();
        assertThat(fast.terminal).isEqualTo("completed");
        assertThat(slow.accepted).isTrue();
        assertThat(slow.chunks).isEmpty();
        slowGeneration.request(2);
        runAll();
        assertThat(slow.chunks).hasSize(2);
        assertThat(slow.terminal).isEmpty();
        slowGeneration.request(Integer.MAX_VALUE);
        slowGeneration.request(Integer.MAX_VALUE);
        runAll();
        assertThat(slow.terminal).isEqualTo("completed");
    }

    @Test
    void cancelTakesEffectAtTheNextStepAndLeavesTheOthersAlone() {
        JsonNode prompt = NUMBERS.path("prompts").path(2);
        int[] expected = Golden.ints(prompt.path("greedy").path("ids"));
        RecordingSink kept = start(greedy(prompt, expected.length));
        RecordingSink cancelled = new RecordingSink();
        Generation generation =
                backend.start(Attempt.of(endless(1).maxTokens(100).build()), cancelled);
        generation.request(Integer.MAX_VALUE);
        step(5);
        generation.cancel();
        generation.cancel();
        int before = cancelled.chunks.size();
        step(1);
        assertThat(cancelled.terminal).isEqualTo("cancelled");
        assertThat(cancelled.chunks).hasSize(before);
        runAll();
        assertThat(kept.completion().text()).isEqualTo(text(expected));
    }

    @Test
    void aPoisonedSequenceFailsAloneAndItsPrefixIsForgotten() {
        Gpt2Model model = Golden.model("gpt2-tiny-a", KernelChoice.PLAIN_JAVA);
        PoisonedKernel kernel = new PoisonedKernel(model.kernel());
        backend.close();
        backend = new Gpt2Backend("tiny", model.withKernel(kernel), new EngineOptions(8, 8, 1024, 256), now::get);
        JsonNode prompt = NUMBERS.path("prompts").path(2);
        int[] expected = Golden.ints(prompt.path("greedy").path("ids"));
        RecordingSink good = start(greedy(prompt, expected.length));
        RecordingSink nan = start(endless(PoisonedKernel.NAN).maxTokens(50).build());
        RecordingSink broken =
                start(endless(PoisonedKernel.THROWS).maxTokens(50).build());
        runAll();
        assertThat(good.completion().text()).isEqualTo(text(expected));
        assertThat(nan.failure().reason()).isEqualTo(Reason.SERVER_ERROR);
        assertThat(nan.failure()).hasMessageContaining("finite");
        assertThat(broken.failure().reason()).isEqualTo(Reason.SERVER_ERROR);
        assertThat(broken.failure()).hasMessageContaining("poisoned");
    }

    @Test
    void aFullQueueRefusesWithATimeToComeBack() {
        use(Gpt2Backend.builder(Golden.path("gpt2-tiny-a")).maxSequences(1).queueLimit(1));
        RecordingSink first = start(endless(1).maxTokens(5).build());
        RecordingSink second = start(endless(2).maxTokens(5).build());
        RecordingSink refused = start(endless(3).maxTokens(5).build());
        assertThat(refused.failure().reason()).isEqualTo(Reason.OVERLOADED);
        assertThat(refused.failure().retryAfter().orElseThrow()).isPositive();
        runAll();
        assertThat(first.terminal + second.terminal).isEqualTo("completedcompleted");
        assertThat(run(endless(3).maxTokens(5).build()).text()).isNotEmpty();
    }

    @Test
    void aBusyEngineIsHealthyAndAHangingOneIsNot() {
        assertThat(probe().status()).isEqualTo(ProbeResult.Status.READY);
        ProbeResult[] during = new ProbeResult[2];
        Gpt2Model model = Golden.model("gpt2-tiny-a", KernelChoice.PLAIN_JAVA);
        backend.close();
        PoisonedKernel kernel = new PoisonedKernel(model.kernel());
        kernel.duringStep = () -> {
            now.addAndGet(Duration.ofSeconds(20).toNanos());
            during[0] = probe();
            now.addAndGet(Duration.ofSeconds(20).toNanos());
            during[1] = probe();
        };
        backend = new Gpt2Backend("tiny", model.withKernel(kernel), new EngineOptions(8, 8, 1024, 256), now::get);
        start(endless(1).maxTokens(1).build());
        step(1);
        assertThat(during[0].status()).isEqualTo(ProbeResult.Status.READY);
        assertThat(during[1].status()).isEqualTo(ProbeResult.Status.UNHEALTHY);
        assertThat(probe().status()).isEqualTo(ProbeResult.Status.READY);
    }

    @Test
    void closeFailsWhatRunsAndWaitsAndWhatComesLater() {
        use(Gpt2Backend.builder(Golden.path("gpt2-tiny-a")).maxSequences(1));
        RecordingSink running = start(endless(1).maxTokens(50).build());
        RecordingSink waiting = start(endless(1).maxTokens(50).build());
        step(3);
        backend.close();
        backend.close();
        assertThat(running.failure().reason()).isEqualTo(Reason.UNAVAILABLE);
        assertThat(waiting.failure().reason()).isEqualTo(Reason.UNAVAILABLE);
        assertThat(start(endless(1).build()).failure().reason()).isEqualTo(Reason.UNAVAILABLE);
        assertThat(probe().status()).isEqualTo(ProbeResult.Status.UNHEALTHY);
    }

    @Test
    void theBuiltInModelTellsAStoryOnItsOwnThread() throws InterruptedException {
        try (Gpt2Backend story = Gpt2Backend.builtIn()) {
            RecordingSink sink = new RecordingSink();
            story.start(
                            Attempt.of(CompletionRequest.builder("story")
                                    .prompt("Once upon a time")
                                    .seed(1)
                                    .temperature(0.7)
                                    .maxTokens(100)
                                    .build()),
                            sink)
                    .request(Integer.MAX_VALUE);
            assertThat(sink.await().completion().text()).contains(" was ");
            assertThat(story.traits().operations())
                    .containsExactlyInAnyOrder(Operation.TEXT, Operation.CHAT, Operation.EMBEDDINGS);
            assertThat(story.traits().models()).containsExactly("story");
            assertThat(story.traits().contextTokens()).hasValue(256);
            assertThat(sink.chunks).allMatch(chunk -> chunk instanceof CompletionChunk.Delta);
        }
    }

    private void use(Gpt2Backend.Builder builder) {
        backend.close();
        backend = backend(builder);
    }

    private ProbeResult probe() {
        return backend.probe(Duration.ofSeconds(1)).toCompletableFuture().join();
    }

    private int cached(int[] prompt) {
        return run(ids(prompt).maxTokens(1).build())
                .usage()
                .orElseThrow()
                .cachedTokens()
                .orElseThrow();
    }

    private void step(int count) {
        for (int i = 0; i < count; i++) {
            backend.engine().step();
            now.addAndGet(1_000_000);
        }
    }
}
