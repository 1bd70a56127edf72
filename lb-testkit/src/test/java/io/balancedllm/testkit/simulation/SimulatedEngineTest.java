/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static io.balancedllm.testkit.simulation.Answer.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.completion.CompletionRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SimulatedEngineTest {
    private static final EngineModel MODEL = EngineModel.LLAMA_8B_ON_H100;
    private static final Offset<Double> ROUNDING = within(1e-7);
    private static final int BLOCK = SimulatedPrompt.BLOCK_TOKENS;

    private final VirtualTime time = new VirtualTime();
    private final SimulatedEngine engine = engine(860, 1);

    private SimulatedEngine engine(int blocks, double speed) {
        return new SimulatedEngine(MODEL, blocks, speed, time);
    }

    private Answer ask(SimulatedPrompt prompt, int output) {
        return Answer.of(engine, time, prompt, output);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 1_000, 8_192, 12_000, 40_000, 100_000})
    void onAnIdleEngineTheFirstTokenTakesThePromptAlone(int tokens) {
        Answer answer = ask(prompt(tokens, 0), 1);
        time.run();
        assertThat(answer.firstTokenAfter).isCloseTo(MODEL.prefillSeconds(tokens, 0), ROUNDING);
        assertThat(answer.endedAfter).isEqualTo(answer.firstTokenAfter);
    }

    @Test
    void eachTokenAfterTheFirstTakesADecodeStep() {
        Answer answer = ask(prompt(1_000, 0), 4);
        time.run();
        double decoding = MODEL.decodeSeconds(1, 1_001) + MODEL.decodeSeconds(1, 1_002) + MODEL.decodeSeconds(1, 1_003);
        assertThat(answer.endedAfter - answer.firstTokenAfter).isCloseTo(decoding, ROUNDING);
    }

    @Test
    void anAnswerIsItsFirstChunkAndItsLastWithTheUsage() {
        Answer answer = ask(prompt(1_000, 0), 100);
        time.run();
        assertThat(answer.chunks).isEqualTo(2);
        assertThat(answer.end).isEqualTo("completed");
        assertThat(answer.usage).hasToString("Usage{prompt=1000 (0 cached), completion=100}");
    }

    @Test
    void aPrefixThatIsCachedIsNotComputedAgain() {
        ask(prompt(12_000, 0), 10);
        time.run();
        Answer again = ask(prompt(12_000, 0), 10);
        time.run();
        int cached = 12_000 / BLOCK * BLOCK;
        assertThat(again.cachedTokens()).isEqualTo(cached);
        assertThat(again.firstTokenAfter).isCloseTo(MODEL.prefillSeconds(12_000, cached), ROUNDING);
    }

    @Test
    void onlyTheCommonStartCountsAsCached() {
        ask(new SimulatedPrompt(4 * BLOCK, List.of(1L, 2L, 3L, 4L)), 1);
        time.run();
        Answer other = ask(new SimulatedPrompt(4 * BLOCK, List.of(1L, 2L, 9L, 4L)), 1);
        time.run();
        assertThat(other.cachedTokens()).isEqualTo(2 * BLOCK);
    }

    @Test
    void theLastTokenOfAPromptIsAlwaysComputed() {
        ask(prompt(2 * BLOCK, 0), 1);
        time.run();
        Answer again = ask(prompt(2 * BLOCK, 0), 1);
        time.run();
        assertThat(again.cachedTokens()).isEqualTo(BLOCK);
    }

    @Test
    void whatTwoComputeInTheSameStepIsComputedTwice() {
        ask(prompt(100, 0), 1); // keeps the engine busy until both are there
        Answer one = ask(prompt(2_000, 10), 1);
        Answer two = ask(prompt(2_000, 10), 1);
        time.run();
        assertThat(one.cachedTokens()).isZero();
        assertThat(two.cachedTokens()).isZero();
        assertThat(engine.prefilledTokens()).isEqualTo(100 + 2 * 2_000);
        assertThat(ask(prompt(2_000, 10), 1)).satisfies(answer -> {
            time.run();
            assertThat(answer.cachedTokens()).isEqualTo(3 * BLOCK);
        });
    }

    @Test
    void aLongPromptIsComputedInChunksAndItsBlocksAreVisibleAfterEach() {
        ask(prompt(20_000, 0), 1);
        time.advanceTo(Duration.ofMillis(350).toNanos()); // in the second of three steps
        Answer follower = ask(prompt(20_000, 0), 1);
        time.run();
        assertThat(follower.cachedTokens()).isEqualTo(2 * MODEL.maxBatchedTokens());
    }

    @Test
    void requestsAreServedInTheOrderTheyCome() {
        List<Answer> answers = Stream.of(30_000, 100, 100)
                .map(tokens -> ask(prompt(tokens, tokens), 1))
                .toList();
        time.run();
        assertThat(answers.get(1).firstTokenAfter).isGreaterThanOrEqualTo(answers.get(0).firstTokenAfter);
        assertThat(answers.get(2).firstTokenAfter).isGreaterThanOrEqualTo(answers.get(1).firstTokenAfter);
    }

    @Test
    void anEngineOfHalfTheSpeedTakesTwiceAsLong() {
        Answer fast = ask(prompt(3_000, 0), 50);
        Answer slow = Answer.of(engine(860, 0.5), time, prompt(3_000, 0), 50);
        time.run();
        assertThat(slow.firstTokenAfter).isCloseTo(2 * fast.firstTokenAfter, ROUNDING);
        assertThat(slow.endedAfter).isCloseTo(2 * fast.endedAfter, within(1e-6));
    }

    @Test
    void whoFindsNoMemoryWaitsUntilOthersHaveEnded() {
        SimulatedEngine small = engine(10, 1);
        Answer first = Answer.of(small, time, prompt(3 * BLOCK, 0), 5 * BLOCK);
        Answer second = Answer.of(small, time, prompt(3 * BLOCK, 50), 1);
        time.run();
        assertThat(second.firstTokenAfter).isGreaterThan(first.endedAfter);
    }

    @Test
    void ofWhatIsCachedTheLongestUnusedIsEvictedFromItsEndOn() {
        SimulatedEngine small = engine(10, 1);
        for (long start : new long[] {0, 100}) {
            Answer.of(small, time, prompt(4 * BLOCK + 1, start), 1); // five blocks, four of them stay
            time.run();
        }
        Answer.of(small, time, prompt(4 * BLOCK + 1, 200), 1); // needs five, finds two free
        time.run();
        Answer oldest = Answer.of(small, time, prompt(2 * BLOCK + 1, 0), 1);
        time.run();
        assertThat(oldest.cachedTokens()).isEqualTo(BLOCK);
        small.verify();
    }

    @Test
    void whatCanNeverFitIsRefused() {
        Answer answer = Answer.of(engine(10, 1), time, prompt(10 * BLOCK, 0), 1);
        assertThat(answer.end).isEqualTo("failed: CONTEXT_LENGTH_EXCEEDED");
    }

    @Test
    void requestsWithoutASimulatedPromptOrALengthAreRefused() {
        CompletionRequest plain = CompletionRequest.of("Once upon a time");
        assertThat(SimulatedPrompt.of(plain)).isEmpty();
        assertThat(ask(prompt(100, 0), 0).end).isEqualTo("failed: INVALID_REQUEST");
    }

    @Test
    void chunksComeOnlyAsTheyAreAskedFor() {
        Answer answer = Answer.pausedOf(engine, time, prompt(100, 0), 10);
        time.run();
        assertThat(answer.chunks).isZero();
        answer.generation().request(1);
        assertThat(answer.chunks).isEqualTo(1);
        assertThat(answer.end).isEmpty();
        answer.generation().request(1);
        assertThat(answer.end).isEqualTo("completed");
    }

    @Test
    void aCancelledRequestLeavesTheLineAtOnceAndTheBatchAfterTheStep() {
        Answer running = ask(prompt(20_000, 0), 100);
        Answer decoding = ask(prompt(100, 100), 1_000);
        Answer waiting = ask(prompt(100, 200), 1);
        waiting.generation().cancel();
        assertThat(waiting.end).isEqualTo("cancelled");
        running.generation().cancel();
        assertThat(running.end).isEmpty();
        time.advanceTo(Duration.ofSeconds(2).toNanos());
        assertThat(running.end).isEqualTo("cancelled");
        assertThat(running.chunks).isZero();
        assertThat(decoding.chunks).isEqualTo(1);
        decoding.generation().cancel();
        decoding.generation().cancel();
        time.run();
        assertThat(decoding.end).isEqualTo("cancelled");
        assertThat(engine.requests()).isZero();
        assertThat(engine.kvBlocksInUse()).isZero();
        engine.verify();
    }

    @Test
    void closingFailsWhatIsThere() {
        Answer running = ask(prompt(100, 0), 10);
        Answer waiting = ask(prompt(100, 0), 10);
        engine.close();
        engine.close();
        assertThat(running.end).isEqualTo("failed: UNAVAILABLE");
        assertThat(waiting.end).isEqualTo("failed: UNAVAILABLE");
        assertThat(ask(prompt(100, 0), 10).end).isEqualTo("failed: UNAVAILABLE");
        time.run();
        assertThat(engine.requests()).isZero();
        assertThat(engine.kvBlocksInUse()).isZero();
    }

    @Test
    void itRefusesImpossibleParameters() {
        assertThatThrownBy(() -> engine(0, 1)).hasMessageContaining("kvBlocks");
        assertThatThrownBy(() -> engine(1, 0)).hasMessageContaining("speed");
        assertThatThrownBy(() -> new SimulatedPrompt(BLOCK - 1, List.of(1L))).hasMessageContaining("fit");
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void noBlockIsLostOrUsedTwiceWhateverComesAndIsCancelled(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        SimulatedEngine small = engine(60, 1);
        List<Answer> answers = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            int shared = random.nextInt(12);
            int own = random.nextInt(12);
            long family = random.nextInt(6) * 1_000L;
            int request = i;
            List<Long> blocks = LongStream.concat(
                            LongStream.range(family, family + shared),
                            LongStream.range(0, own).map(block -> 1_000_000L + request * 100L + block))
                    .boxed()
                    .toList();
            int tokens = Math.max(1, blocks.size() * BLOCK + random.nextInt(BLOCK));
            answers.add(Answer.of(small, time, new SimulatedPrompt(tokens, blocks), 1 + random.nextInt(2_000)));
            if (random.nextInt(8) == 0) {
                answers.get(random.nextInt(answers.size())).generation().cancel();
            }
            time.advanceTo(
                    time.nanos() + Duration.ofMillis(random.nextInt(3_000)).toNanos());
            small.verify();
        }
        time.run();
        small.verify();
        assertThat(small.requests()).isZero();
        assertThat(small.kvBlocksInUse()).isZero();
        assertThat(answers).extracting(answer -> answer.end).containsOnly("completed", "cancelled");
        assertThat(answers).anyMatch(answer -> answer.cachedTokens() > 0);
    }
}
