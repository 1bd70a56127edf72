/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import io.balancedllm.djl.BytePairTraining;
import io.balancedllm.djl.Gpt2Trainer;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;

/** One training: tokenizer, steps, validations, checkpoints and the finished model in a directory. */
final class TrainingRun implements AutoCloseable {
    /** At most so many tokens; the grammar needs fewer for all its words. */
    static final int VOCABULARY = 1_536;

    static final int VALIDATION_STEPS = 250;
    static final double CHECKPOINT_SECONDS = 120;

    /** In the output directory: weights in fp32 and the state of the optimiser. */
    static final String CHECKPOINT = "training.safetensors";

    private static final double NANOS = 1e9;

    private final Path directory;
    private final StoryCorpus corpus;
    private final Schedule schedule;
    private final Gpt2Trainer trainer;
    private final TrainingProgress progress;
    private final Ticker ticker;
    private final long started;

    private TrainingRun(
            Path directory, StoryCorpus corpus, Schedule schedule, Gpt2Trainer trainer, TrainingProgress progress) {
        this.directory = directory;
        this.corpus = corpus;
        this.schedule = schedule;
        this.trainer = trainer;
        this.progress = progress;
        ticker = Ticker.system();
        started = ticker.nanos();
    }

    static TrainingRun begin(
            Path directory,
            StoryCorpus corpus,
            Schedule schedule,
            Gpt2Trainer.Size size,
            int threads,
            TrainingProgress progress) {
        BytePairTraining.learn(corpus.forTokenizer(), VOCABULARY, size.contextLength(), directory);
        Gpt2Trainer trainer = Gpt2Trainer.create(directory, size, corpus.seed(), threads);
        return new TrainingRun(directory, corpus, schedule, trainer, progress);
    }

    static TrainingRun resume(
            Path directory,
            StoryCorpus corpus,
            Schedule schedule,
            Gpt2Trainer.Size size,
            int threads,
            TrainingProgress progress) {
        Gpt2Trainer trainer = Gpt2Trainer.resume(directory, size, directory.resolve(CHECKPOINT), threads);
        return new TrainingRun(directory, corpus, schedule, trainer, progress);
    }

    /**
     * Trains until the schedule is over or somebody interrupts, and saves.
     *
     * @return the loss of the stories it was not trained with, in nats per token
     */
    double run(BooleanSupplier interrupted) {
        progress.begin(trainer.parameters(), trainer.steps());
        double saved = elapsed();
        while (!interrupted.getAsBoolean() && !schedule.isOver(trainer.steps(), elapsed())) {
            List<int[]> texts = encoded(corpus.batch(trainer.steps()));
            double rate = schedule.learningRate(trainer.steps(), elapsed());
            double loss = trainer.step(texts, rate);
            int tokens = texts.stream().mapToInt(ids -> ids.length).sum();
            progress.step(trainer.steps(), schedule.progress(trainer.steps(), elapsed()), elapsed(), loss, tokens);
            if (trainer.steps() % VALIDATION_STEPS == 0) {
                progress.validated(trainer.steps(), validate());
            }
            if (elapsed() - saved >= CHECKPOINT_SECONDS) {
                save();
                saved = elapsed();
            }
        }
        save();
        double loss = validate();
        progress.validated(trainer.steps(), loss);
        writeCard(loss);
        return loss;
    }

    @Override
    public void close() {
        trainer.close();
    }

    private double elapsed() {
        return trainer.seconds() + (ticker.nanos() - started) / NANOS;
    }

    private void save() {
        trainer.save(directory.resolve(CHECKPOINT), elapsed());
        trainer.export(directory);
    }

    private double validate() {
        List<String> stories = corpus.validation();
        double sum = 0;
        for (int from = 0; from < stories.size(); from += StoryCorpus.BATCH) {
            sum += trainer.loss(encoded(stories.subList(from, from + StoryCorpus.BATCH)));
        }
        return sum / (stories.size() / (double) StoryCorpus.BATCH);
    }

    private List<int[]> encoded(List<String> stories) {
        return stories.stream().map(trainer::encode).toList();
    }

    private void writeCard(double loss) {
        try {
            Files.writeString(
                    directory.resolve("README.md"),
                    ModelCard.text(trainer.parameters(), trainer.steps(), corpus.seed(), loss));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
