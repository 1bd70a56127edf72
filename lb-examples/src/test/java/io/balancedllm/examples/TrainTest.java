/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainTest {
    @TempDir
    private Path directory;

    @Test
    void whatWasTrainedTellsAStoryAndTheSameSeedTrainsTheSameModel() {
        Path model = directory.resolve("model");
        CommandLineFixture trained = train(model, "--steps", "3");
        assertThat(trained.code()).isZero();
        assertThat(trained.out()).startsWith("trained: " + model + ", perplexity ");
        assertThat(trained.err()).contains("million parameters, from step 0").contains("step 3, validation loss ");
        assertThat(model.resolve("README.md"))
                .content()
                .contains("What it is not")
                .contains("3 steps from seed 5");

        CommandLineFixture story =
                CommandLineFixture.run("story", "--model", model.toString(), "--replicas", "1", "--max-tokens", "8");
        assertThat(story.code()).isZero();

        Path again = directory.resolve("again");
        train(again, "--steps", "1");
        CommandLineFixture resumed = train(again, "--steps", "3", "--resume");
        assertThat(resumed.err()).contains("from step 1");
        // The cosine of one step ended earlier, so it is another model; three steps at once are the same.
        Path third = directory.resolve("third");
        train(third, "--steps", "3");
        assertThat(third.resolve("model.safetensors")).hasSameBinaryContentAs(model.resolve("model.safetensors"));
    }

    @Test
    void aTrainingIsNeitherOverwrittenNorInvented() {
        assertThat(train(directory, "--steps", "1", "--resume").err()).contains("has no training.safetensors");
        assertThat(train(directory, "--steps", "1").code()).isZero();

        CommandLineFixture second = train(directory, "--steps", "1");

        assertThat(second.code()).isEqualTo(1);
        assertThat(second.err())
                .contains("holds a training already: add --resume")
                .hasLineCount(1);
    }

    @Test
    void impossibleOptionsAreRefusedInOneLine() {
        assertThat(train(directory, "--minutes", "0").err())
                .contains("--minutes must be")
                .hasLineCount(1);
        assertThat(train(directory, "--steps", "0").err())
                .contains("--steps must be")
                .hasLineCount(1);
        assertThat(CommandLineFixture.run("train", "--out", directory.toString(), "--heads", "3")
                        .err())
                .contains("multiple of heads")
                .hasLineCount(1);
    }

    private static CommandLineFixture train(Path out, String... more) {
        List<String> args = new ArrayList<>(List.of(
                "train", "--out", out.toString(), "--seed", "5", "--layers", "1", "--width", "16", "--heads", "2"));
        args.addAll(List.of(more));
        return CommandLineFixture.run(args.toArray(String[]::new));
    }
}
