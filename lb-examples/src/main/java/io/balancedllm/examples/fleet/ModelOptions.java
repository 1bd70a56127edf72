/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.fleet;

import io.balancedllm.djl.Gpt2Backend;
import io.balancedllm.djl.Gpt2Pool;
import io.balancedllm.djl.InvalidModelException;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.examples.console.Failure;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say which GPT-2 runs in this process, and how often. Not thread-safe. */
public final class ModelOptions {
    private static final int DEFAULT_REPLICAS = 2;
    /** Each replica has a thread and a key-value cache of its own. */
    private static final int MAX_REPLICAS = 64;

    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Option(
            names = "--model",
            paramLabel = "DIR",
            description = "A Hugging Face GPT-2 directory: config.json, tokenizer and safetensors weights. Default: the"
                    + " built-in story model.")
    private @Nullable Path model;

    @Option(
            names = "--replicas",
            paramLabel = "N",
            description =
                    "How many copies of the model run side by side in this process. Default: " + DEFAULT_REPLICAS + ".")
    private @Nullable Integer replicas;

    /** {@return whether the command line sets any of these options} */
    boolean given() {
        return model != null || replicas != null;
    }

    /** {@return the model's directory; null for the built-in model} */
    public @Nullable Path directory() {
        return model;
    }

    /**
     * Loads the model.
     *
     * @return an endpoint for each replica
     * @throws ParameterException when an option has an impossible value
     * @throws Failure when the directory does not hold a model that can be served
     */
    public List<Endpoint> open() {
        int count = replicas == null ? DEFAULT_REPLICAS : replicas;
        if (count < 1 || count > MAX_REPLICAS) {
            throw new ParameterException(
                    command.commandLine(), "--replicas must be 1 to " + MAX_REPLICAS + ", got " + count);
        }
        checkDirectory(command, model);
        if (model != null) {
            NativeLibraries.announceUnpacking(model, command.commandLine().getErr());
        }
        Gpt2Pool.Builder pool = model == null ? Gpt2Pool.builder() : Gpt2Pool.builder(model);
        try {
            List<Endpoint> endpoints = new ArrayList<>();
            for (Gpt2Backend backend : pool.replicas("cpu", count).build().backends()) {
                endpoints.add(Endpoint.of("local-" + (endpoints.size() + 1), backend));
            }
            return endpoints;
        } catch (InvalidModelException e) {
            throw new Failure(String.valueOf(e.getMessage()), e);
        }
    }

    /**
     * Refuses a path that is no model directory at all.
     *
     * @throws ParameterException when it is not a directory, or has no {@code config.json}
     */
    public static void checkDirectory(CommandSpec command, @Nullable Path directory) {
        if (directory == null) {
            return;
        }
        if (!Files.isDirectory(directory)) {
            throw new ParameterException(
                    command.commandLine(),
                    "--model " + directory + " is not a directory: name one with config.json, tokenizer and weights");
        }
        if (!Files.isRegularFile(directory.resolve("config.json"))) {
            throw new ParameterException(
                    command.commandLine(),
                    "--model " + directory + " has no config.json: name a Hugging Face GPT-2 directory");
        }
    }
}
