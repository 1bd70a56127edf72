/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.logits;

import io.balancedllm.djl.Gpt2Model;
import io.balancedllm.djl.InvalidModelException;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.fleet.ModelOptions;
import io.balancedllm.examples.fleet.NativeLibraries;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Prints the logits after a prompt of token ids and the tokens a greedy continuation takes, as one line of JSON. */
@Command(
        name = "logits",
        description = "Prints the logits after a prompt, and its greedy continuation.",
        mixinStandardHelpOptions = true)
public final class LogitsCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = "--model",
            paramLabel = "DIR",
            description = "A Hugging Face GPT-2 directory. Default: the built-in story model.")
    private @Nullable Path model;

    @Option(
            names = "--ids",
            paramLabel = "ID",
            split = ",",
            required = true,
            description = "The prompt as token ids with commas between them.")
    private List<Integer> ids = List.of();

    @Option(
            names = "--greedy",
            paramLabel = "N",
            description = "How many tokens to continue with, past end-of-text if need be. Default: 0.")
    private int greedy;

    @Override
    public Integer call() {
        ModelOptions.checkDirectory(spec, model);
        int[] prompt = ids.stream().mapToInt(Integer::intValue).toArray();
        try (Gpt2Model gpt2 = load()) {
            String line = new JsonLine()
                    .put("logits", gpt2.logits(prompt))
                    .put("greedy", gpt2.greedy(prompt, greedy))
                    .toString();
            spec.commandLine().getOut().println(line);
            return ExitCode.OK;
        } catch (InvalidModelException e) {
            throw new Failure(String.valueOf(e.getMessage()), e);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
        }
    }

    private Gpt2Model load() {
        if (model == null) {
            return Gpt2Model.builtIn();
        }
        NativeLibraries.announceUnpacking(model, spec.commandLine().getErr());
        return Gpt2Model.load(model);
    }
}
