/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.djl.Gpt2Trainer;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingRunTest {
    private static final Gpt2Trainer.Size SMALL = new Gpt2Trainer.Size(1, 16, 2, 256);
    private static final Schedule SIX_STEPS = new Schedule(OptionalInt.of(6), 0);
    private static final StoryCorpus CORPUS = new StoryCorpus(3);

    @Test
    void anInterruptedTrainingIsSavedAndGoesOnAsIfNothingHadHappened(@TempDir Path whole, @TempDir Path parts) {
        begin(whole, () -> false);
        AtomicInteger asked = new AtomicInteger();
        begin(parts, () -> asked.incrementAndGet() > 2);
        try (TrainingRun run = TrainingRun.resume(parts, CORPUS, SIX_STEPS, SMALL, 1, quiet())) {
            run.run(() -> false);
        }

        assertThat(asked).hasValue(3);
        assertThat(parts.resolve("model.safetensors")).hasSameBinaryContentAs(whole.resolve("model.safetensors"));
    }

    @Test
    void noStoryIsReadTwiceAndNoneOfTheValidation() {
        assertThat(CORPUS.batch(0)).hasSize(StoryCorpus.BATCH).doesNotContainAnyElementsOf(CORPUS.batch(1));
        assertThat(CORPUS.batch(0)).doesNotContainAnyElementsOf(CORPUS.validation());
        assertThat(CORPUS.batch(7)).isEqualTo(new StoryCorpus(3).batch(7)).isNotEqualTo(new StoryCorpus(4).batch(7));
    }

    @Test
    void theLearningRateWarmsUpAndFallsAlongHalfACosine() {
        Schedule schedule = new Schedule(OptionalInt.of(10_000), 0);

        assertThat(schedule.learningRate(0, 0)).isEqualTo(Schedule.PEAK_LEARNING_RATE / Schedule.WARM_UP_STEPS);
        assertThat(schedule.learningRate(Schedule.WARM_UP_STEPS, 0))
                .isBetween(0.99 * Schedule.PEAK_LEARNING_RATE, Schedule.PEAK_LEARNING_RATE);
        assertThat(schedule.learningRate(5_000, 0))
                .isBetween(0.52 * Schedule.PEAK_LEARNING_RATE, 0.53 * Schedule.PEAK_LEARNING_RATE);
        assertThat(schedule.learningRate(10_000, 0)).isEqualTo(Schedule.LAST_SHARE * Schedule.PEAK_LEARNING_RATE);
        assertThat(schedule.isOver(9_999, 0)).isFalse();
        assertThat(schedule.isOver(10_000, 0)).isTrue();
    }

    @Test
    void aScheduleOverTimeCountsSeconds() {
        Schedule schedule = new Schedule(OptionalInt.empty(), 60);

        assertThat(schedule.progress(1_000, 30)).isEqualTo(0.5);
        assertThat(schedule.isOver(1, 59.9)).isFalse();
        assertThat(schedule.isOver(1, 60)).isTrue();
    }

    private static void begin(Path directory, BooleanSupplier interrupted) {
        try (TrainingRun run = TrainingRun.begin(directory, CORPUS, SIX_STEPS, SMALL, 1, quiet())) {
            run.run(interrupted);
        }
    }

    private static TrainingProgress quiet() {
        return new TrainingProgress(new PrintWriter(Writer.nullWriter()), false);
    }
}
