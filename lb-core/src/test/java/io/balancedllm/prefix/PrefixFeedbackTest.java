/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.prefix.HolderState.Level;
import java.util.LinkedHashSet;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the cached tokens of answers change. */
class PrefixFeedbackTest {
    private final PrefixIndex index = new PrefixIndex();
    private final PrefixHolder holder = index.join("one");

    @Test
    void aRestartIsForgottenAsItsAnswersComeIn() {
        holder.capacityBlocks(10_000);
        for (int i = 0; i < 50; i++) {
            PrefixIndexTest.complete(holder, Prompts.conversation(i, 20));
        }

        // The engine comes back empty; of all conversations, the one used last goes on first.
        answer(Prompts.conversation(49, 25), 0);

        for (int i = 0; i < 49; i++) {
            assertThat(holder.match(Prompts.conversation(i, 20))).isZero();
        }
        assertThat(holder.match(Prompts.conversation(49, 25))).isEqualTo(25);
        assertThat(index.statistics().entries()).isEqualTo(25);
    }

    @Test
    void anEvictionTakesWhatWasUsedBeforeWithItAndNothingElse() {
        PrefixIndexTest.complete(holder, Prompts.conversation(1, 10));
        PrefixIndexTest.complete(holder, Prompts.conversation(2, 10));
        PrefixIndexTest.complete(holder, Prompts.conversation(3, 10));

        answer(Prompts.conversation(2, 12), 4);

        assertThat(holder.match(Prompts.conversation(1, 10))).isZero();
        assertThat(holder.match(Prompts.conversation(2, 12))).isEqualTo(12);
        assertThat(holder.match(Prompts.conversation(3, 10))).isEqualTo(10);
    }

    @Test
    void blocksStillOnTheirWayAreNoEvidence() {
        PrefixIndexTest.complete(holder, Prompts.conversation(1, 10));
        PrefixPrediction first = holder.dispatched(Prompts.conversation(2, 10));
        PrefixPrediction second = holder.dispatched(Prompts.conversation(2, 10));
        assertThat(second.predictedBlocks()).isEqualTo(10);
        assertThat(second.predictedTokens()).isEqualTo(160);

        holder.answered(second, 161, OptionalInt.of(0));

        assertThat(holder.match(Prompts.conversation(1, 10))).isEqualTo(10);
        assertThat(holder.errors().overPredictedTokens()).isEqualTo(160);

        holder.firstToken(first);
        answer(Prompts.conversation(2, 10), 0);

        assertThat(holder.match(Prompts.conversation(1, 10))).isZero();
    }

    @Test
    void anAttemptThatNeverStartedTakesBackWhatOnlyItBrought() {
        PrefixIndexTest.complete(holder, Prompts.of(1, 2));
        PrefixPrediction failed = holder.dispatched(Prompts.of(1, 2, 3, 4));
        PrefixPrediction other = holder.dispatched(Prompts.of(1, 2, 3));

        holder.abandoned(failed);

        assertThat(holder.match(Prompts.of(1, 2, 3, 4))).isEqualTo(3);

        holder.firstToken(other);
        holder.abandoned(other);

        assertThat(holder.match(Prompts.of(1, 2, 3, 4))).isEqualTo(3);
    }

    @Test
    void errorsAreCountedInTheTokensOfTheEngine() {
        PromptBlocks known = PromptBlocks.estimated(Prompts.hashes(1, 2, 3, 4), 64, 300);
        holder.firstToken(holder.dispatched(known));

        holder.answered(holder.dispatched(known), 600, OptionalInt.of(480));
        holder.answered(holder.dispatched(known), 600, OptionalInt.of(560));
        holder.answered(holder.dispatched(PromptBlocks.estimated(Prompts.hashes(9), 64, 70)), 100, OptionalInt.of(80));

        assertThat(holder.errors()).isEqualTo(new PredictionErrors(3, 1_024, 480 + 512, 32, 48 + 80));
        assertThat(index.statistics().errors()).isEqualTo(holder.errors());
        holder.leave();
        assertThat(index.statistics().errors().predictions()).isEqualTo(3);
    }

    @Test
    void anEstimateMayBeAnEighthOff() {
        PromptBlocks long16 = PromptBlocks.estimated(Prompts.hashes(path(16)), 64, 16 * 64 + 1);
        PrefixIndexTest.complete(holder, Prompts.conversation(1, 5));
        holder.firstToken(holder.dispatched(long16));

        holder.answered(holder.dispatched(long16), 16 * 64 + 1, OptionalInt.of(13 * 64));
        assertThat(holder.match(Prompts.conversation(1, 5))).isEqualTo(5);

        holder.answered(holder.dispatched(long16), 16 * 64 + 1, OptionalInt.of(12 * 64));
        assertThat(holder.match(Prompts.conversation(1, 5))).isZero();
    }

    @Test
    void absentCountsMeanNothingUntilTheFirstOneAndZeroFromThenOn() {
        PrefixIndexTest.complete(holder, Prompts.of(1, 2, 3));
        holder.answered(holder.dispatched(Prompts.of(1, 2, 3)), 49, OptionalInt.empty());
        assertThat(holder.errors().predictions()).isZero();
        assertThat(holder.state().reason()).contains("tells no cached tokens");

        answer(Prompts.of(1, 2, 3), 3);
        holder.answered(holder.dispatched(Prompts.of(1, 2, 3)), 49, OptionalInt.empty());

        assertThat(holder.errors().overPredictedTokens()).isEqualTo(48);
        assertThat(holder.state().reason()).doesNotContain("tells no cached tokens");
    }

    @Test
    void impossibleCountsAreTakenForTheNearestPossible() {
        PrefixIndexTest.complete(holder, Prompts.of(1, 2, 3));

        holder.answered(holder.dispatched(Prompts.of(1, 2, 3)), 49, OptionalInt.of(1_000_000));
        assertThat(holder.errors()).isEqualTo(new PredictionErrors(1, 48, 48, 0, 1));

        holder.answered(holder.dispatched(Prompts.of(1, 2, 3)), 49, OptionalInt.of(-5));
        assertThat(holder.errors()).isEqualTo(new PredictionErrors(2, 96, 48, 48, 1));

        holder.answered(holder.dispatched(Prompts.of(1, 2, 3)), 0, OptionalInt.of(3));
        holder.answered(holder.dispatched(Prompts.of(1, 2, 3)), -1, OptionalInt.of(Integer.MIN_VALUE));
        assertThat(holder.errors().predictions()).isEqualTo(2);
    }

    @Test
    void anAnswerCountsOnce() {
        PrefixPrediction prediction = holder.dispatched(Prompts.of(1, 2, 3));
        holder.answered(prediction, 49, OptionalInt.of(0));
        holder.answered(prediction, 49, OptionalInt.of(0));

        assertThat(holder.errors().predictions()).isEqualTo(1);
    }

    @Test
    void predictionsThatKeepFailingDegradeAnEndpointAndGoodOnesRestoreIt() {
        holder.capacityBlocks(1_000);
        assertThat(holder.state().level()).isEqualTo(Level.APPROXIMATE);
        for (int i = 0; i < 20; i++) {
            answer(Prompts.of(1, 2, 3), 0);
        }
        assertThat(holder.state().level()).isEqualTo(Level.DEGRADED);
        assertThat(holder.state().reason()).contains("100 %").contains("capacity reported: 1000 blocks");

        for (int i = 0; i < 20; i++) {
            answer(Prompts.of(1, 2, 3), 3);
        }
        assertThat(holder.state().level()).isEqualTo(Level.APPROXIMATE);
    }

    @ParameterizedTest
    @ValueSource(ints = {300, 2_000, 8_000})
    void anUnknownCapacityIsLearnedFromWhatTurnsOutToBeGone(int truth) {
        Set<Long> engine = new LinkedHashSet<>();
        Random random = new Random(truth);
        for (int i = 0; i < 40 * truth / 10; i++) {
            // Conversations three times as many as fit, used at random, and therefore at all distances.
            long id = random.nextInt(3 * truth / 10);
            PromptBlocks prompt = Prompts.conversation(id, 10);
            int cached = 0;
            while (cached < prompt.size() && engine.contains(prompt.hash(cached))) {
                cached++;
            }
            for (int block = prompt.size() - 1; block >= 0; block--) {
                engine.remove(prompt.hash(block));
                engine.add(prompt.hash(block));
                if (engine.size() > truth) {
                    engine.remove(engine.iterator().next());
                }
            }
            answer(prompt, cached);
        }

        String reason = holder.state().reason();
        int learned = Integer.parseInt(reason.replaceAll(".*learned: (\\d+) blocks.*", "$1"));
        assertThat(learned).isBetween(truth * 8 / 10, truth * 13 / 10);
        assertThat(holder.state().level()).isEqualTo(Level.APPROXIMATE);
    }

    @Test
    void aRestartDoesNotUnlearnACapacity() {
        Capacity capacity = new Capacity();
        for (int i = 0; i < 30; i++) {
            capacity.missed(1_000);
        }
        int learned = capacity.blocks();

        capacity.missed(10);
        capacity.missed(1_000);
        assertThat(capacity.blocks()).isEqualTo(learned).isBetween(1_000, 1_010);

        capacity.missed(500 / 2);
        capacity.missed(500 / 2);
        assertThat(capacity.blocks()).isLessThan(700);
    }

    @Test
    void attemptsThatNobodyEndsAreForgottenInTime() {
        PrefixIndexTest.complete(holder, Prompts.of(1, 2, 3));
        for (int i = 0; i < 2 * PrefixHolder.MAX_PENDING; i++) {
            holder.dispatched(Prompts.of(7));
        }
        PrefixPrediction prediction = holder.dispatched(Prompts.of(1, 2, 3));

        assertThat(prediction.computedBefore).isGreaterThan(PrefixHolder.MAX_PENDING);
    }

    private void answer(PromptBlocks prompt, int cachedBlocks) {
        holder.answered(holder.dispatched(prompt), prompt.promptTokens(), OptionalInt.of(Prompts.tokens(cachedBlocks)));
    }

    private static long[] path(int blocks) {
        long[] path = new long[blocks];
        path[0] = 77;
        return path;
    }
}
