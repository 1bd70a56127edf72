/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import io.balancedllm.djl.Gpt2Trainer;
import io.balancedllm.examples.console.Failure;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Trains the story model from nothing but a seed. */
@Command(
        name = "train",
        description =
                "Writes stories with a grammar, learns a tokenizer and a small GPT-2 from them, and writes a model"
                        + " directory that story --model and Hugging Face transformers load.",
        mixinStandardHelpOptions = true)
public final class TrainCommand implements Callable<Integer> {
    private static final double SECONDS_PER_MINUTE = 60;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "Where the model goes.")
    @SuppressWarnings("NullAway.Init")
    private Path out;

    @Option(names = "--minutes", paramLabel = "M", description = "How long to train. Default: ${DEFAULT-VALUE}.")
    private double minutes = 60;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description =
                    "How many steps instead: then the same seed gives the same model on the same kind of machine.")
    private @Nullable Integer steps;

    @Option(names = "--seed", paramLabel = "S", description = "Of weights and stories. Default: ${DEFAULT-VALUE}.")
    private long seed = 7;

    @Option(names = "--threads", paramLabel = "N", description = "Threads of PyTorch. Default: ${DEFAULT-VALUE}.")
    private int threads = 1;

    @Option(names = "--resume", description = "Goes on from the checkpoint in the directory, with the same options.")
    private boolean resume;

    @Option(names = "--layers", paramLabel = "N", description = "Default: ${DEFAULT-VALUE}.")
    private int layers = 6;

    @Option(names = "--width", paramLabel = "N", description = "Default: ${DEFAULT-VALUE}.")
    private int width = 160;

    @Option(names = "--heads", paramLabel = "N", description = "Default: ${DEFAULT-VALUE}.")
    private int heads = 5;

    @Option(names = "--context", paramLabel = "N", description = "In tokens. Default: ${DEFAULT-VALUE}.")
    private int context = 256;

    @Override
    public Integer call() {
        Gpt2Trainer.Size size = checked();
        boolean checkpoint = Files.isRegularFile(out.resolve(TrainingRun.CHECKPOINT));
        if (resume && !checkpoint) {
            throw new Failure(out + " has no " + TrainingRun.CHECKPOINT + " to go on from: leave --resume out", null);
        }
        if (!resume && checkpoint) {
            throw new Failure(out + " holds a training already: add --resume, or name another directory", null);
        }
        Schedule schedule =
                new Schedule(steps == null ? OptionalInt.empty() : OptionalInt.of(steps), minutes * SECONDS_PER_MINUTE);
        TrainingProgress progress =
                new TrainingProgress(spec.commandLine().getErr(), Boolean.getBoolean("stderr.terminal"));
        StoryCorpus corpus = new StoryCorpus(seed);
        try (StopSignal signal = StopSignal.armed();
                TrainingRun run = resume
                        ? TrainingRun.resume(out, corpus, schedule, size, threads, progress)
                        : TrainingRun.begin(out, corpus, schedule, size, threads, progress)) {
            double loss = run.run(signal::isGiven);
            spec.commandLine()
                    .getOut()
                    .println(String.format(
                            Locale.ROOT,
                            "%s: %s, perplexity %.3f",
                            signal.isGiven() ? "interrupted, go on with --resume" : "trained",
                            out,
                            Math.exp(loss)));
        }
        return ExitCode.OK;
    }

    private Gpt2Trainer.Size checked() {
        require(minutes > 0, "--minutes must be more than 0, got " + minutes);
        require(steps == null || steps > 0, "--steps must be at least 1, got " + steps);
        require(threads > 0, "--threads must be at least 1, got " + threads);
        try {
            return new Gpt2Trainer.Size(layers, width, heads, context);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
        }
    }

    private void require(boolean holds, String message) {
        if (!holds) {
            throw new ParameterException(spec.commandLine(), message);
        }
    }
}
