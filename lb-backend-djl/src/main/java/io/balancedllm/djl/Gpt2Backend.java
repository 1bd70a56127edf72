/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.time.RandomSource;
import io.balancedllm.time.Ticker;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Serves a GPT-2 model in this process, on the CPU. One daemon thread computes; it batches all running requests, each of
 * which gets the same greedy answer it would get alone. Thread-safe; starting a request costs its caller the time to
 * encode the prompt.
 *
 * <p>Plain prompts and chats are served, with any number of choices, stop strings, log probabilities and all of
 * {@link io.balancedllm.completion.SamplingOptions}; temperature is 1 where not set. A chat is rendered by the template
 * that transformers has for GPT-2: the text of each message followed by end-of-text, roles left out. Special tokens in
 * texts are ordinary characters. New tokens are counted apart from the prompt: {@value #DEFAULT_MAX_TOKENS} where the
 * request names no limit, and an answer that reaches the end of the context ends there with reason {@code length}. A
 * prompt that leaves no room fails with {@link Reason#CONTEXT_LENGTH_EXCEEDED}; a full queue refuses with
 * {@link Reason#OVERLOADED} and a time to come back. What would change the answer and is not supported (tools, JSON
 * formats, logit bias, ...) is refused by name.
 *
 * <p>Models of up to 8 million parameters run in plain Java and need nothing else; larger ones run on PyTorch, whose
 * native library for the platform ({@code ai.djl.pytorch:pytorch-native-cpu}) must be on the class path. Not meant for
 * models beyond GPT-2's sizes, nor for throughput that wants a GPU.
 */
public final class Gpt2Backend implements LlmBackend {
    /** How many new tokens a request gets that names no limit. */
    public static final int DEFAULT_MAX_TOKENS = 256;

    /** How many sequences are generated at once. */
    public static final int DEFAULT_MAX_SEQUENCES = 8;

    /** How many sequences may wait for their turn. */
    public static final int DEFAULT_QUEUE_LIMIT = 64;

    /** How many threads PyTorch uses within one operation. */
    public static final int DEFAULT_THREADS = 1;

    /** The name of the built-in model. */
    public static final String BUILT_IN_MODEL = "story";

    /** Bounds a step of GPT-2 124M to less than a second on one core. */
    static final int STEP_TOKENS = 256;

    private final String modelName;
    private final Gpt2Model model;
    private final Engine engine;
    private final EngineOptions options;
    private final RandomGenerator random = RandomSource.system();

    Gpt2Backend(String modelName, Gpt2Model model, EngineOptions options, Ticker ticker) {
        this.modelName = modelName;
        this.model = model;
        this.options = options;
        engine = new Engine(model, options, ticker);
    }

    /**
     * Serves a model with all defaults, under the name of its directory.
     *
     * @param directory a Hugging Face GPT-2 directory
     * @return a running backend
     * @throws InvalidModelException when the model cannot be loaded
     */
    public static Gpt2Backend fromDirectory(Path directory) {
        return builder(directory).build();
    }

    /** {@return a running backend of the story model in this jar, under the name {@value #BUILT_IN_MODEL}} */
    public static Gpt2Backend builtIn() {
        return builder().build();
    }

    /** {@return a builder of a backend of the story model in this jar} */
    public static Builder builder() {
        return new Builder(null);
    }

    /** {@return a builder of a backend of the model in this directory} */
    public static Builder builder(Path directory) {
        return new Builder(directory);
    }

    @Override
    public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
        if (engine.closed()) {
            sink.failed(Engine.shutDownError());
            return Generation.ENDED;
        }
        try {
            return start(attempt.request(), attempt.callId() + "-" + attempt.number(), sink);
        } catch (LlmException e) {
            sink.failed(e);
        } catch (RuntimeException e) {
            sink.failed(LlmException.builder(Reason.INTERNAL_ERROR, "the request could not be started: " + e)
                    .cause(e)
                    .build());
        }
        return Generation.ENDED;
    }

    /** Answers at once from the engine's heartbeat; a busy engine is healthy. */
    @Override
    public CompletionStage<ProbeResult> probe(Duration timeout) {
        return CompletableFuture.completedStage(engine.probe());
    }

    /** Tells at once what runs, what waits, and how much of the KV memory is reserved. */
    @Override
    public CompletionStage<Optional<EngineReport>> report(Duration timeout) {
        return CompletableFuture.completedFuture(engine.closed() ? Optional.empty() : Optional.of(engine.report()));
    }

    @Override
    public BackendTraits traits() {
        return BackendTraits.builder()
                .operations(Operation.TEXT, Operation.CHAT)
                .model(modelName)
                .contextTokens(model.contextLength())
                .build();
    }

    /** Fails what runs and waits with {@link Reason#UNAVAILABLE}, ends the thread and frees the model. */
    @Override
    public void close() {
        engine.shutDown();
        model.close();
    }

    @Override
    public String toString() {
        return "Gpt2Backend{" + modelName + ", " + model.config().parameters() + " parameters, "
                + model.kernel().name() + "}";
    }

    Engine engine() {
        return engine;
    }

    Gpt2Model model() {
        return model;
    }

    private Generation start(CompletionRequest asked, String id, GenerationSink sink) {
        Gpt2Request request = Gpt2Request.of(asked, model, modelName);
        int choices = request.prompts().size() * request.n();
        int limit = options.maxSequences() + options.queueLimit();
        if (choices > limit) {
            throw new LlmException(
                    Reason.INVALID_REQUEST,
                    "n asks for " + choices + " choices; this backend takes at most " + limit + " at a time");
        }
        Gpt2Generation generation = new Gpt2Generation(engine, sink, id, modelName, asked.operation(), request);
        long seed = request.sampling().seed().orElseGet(random::nextLong);
        List<Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < choices; i++) {
            int[] prompt = request.prompts().get(i / request.n());
            sequences.add(new Sequence(i, prompt, request, model, seed + i));
        }
        engine.submit(generation, sequences);
        return generation;
    }

    /** Builds a {@link Gpt2Backend}. Not thread-safe. */
    public static final class Builder {
        private final @Nullable Path directory;
        private @Nullable String modelName;
        private int threads = DEFAULT_THREADS;
        private int maxSequences = DEFAULT_MAX_SEQUENCES;
        private int queueLimit = DEFAULT_QUEUE_LIMIT;
        private @Nullable Integer kvTokens;
        private Gpt2Model.KernelChoice kernel = Gpt2Model.KernelChoice.AUTOMATIC;

        private Builder(@Nullable Path directory) {
            this.directory = directory;
        }

        /** Sets the name requests use for the model; the directory's name by default. */
        public Builder modelName(String name) {
            if (name.isBlank()) {
                throw new IllegalArgumentException("modelName must not be blank");
            }
            this.modelName = name;
            return this;
        }

        /** Sets how many threads PyTorch uses within one operation, in the whole process; at least 1. */
        public Builder threads(int threads) {
            this.threads = atLeast("threads", threads, 1);
            return this;
        }

        /** Sets how many sequences are generated at once, 1 to 256. */
        public Builder maxSequences(int sequences) {
            this.maxSequences = atLeast("maxSequences", sequences, 1);
            if (sequences > STEP_TOKENS) {
                throw new IllegalArgumentException(
                        "maxSequences must be at most " + STEP_TOKENS + ", got " + sequences);
            }
            return this;
        }

        /** Sets how many more sequences may wait; 0 or more. */
        public Builder queueLimit(int sequences) {
            this.queueLimit = atLeast("queueLimit", sequences, 0);
            return this;
        }

        /**
         * Sets how many tokens' keys and values are held, for running sequences and reusable prefixes together; at least
         * one context, and one context for each of the sequences by default.
         */
        public Builder kvTokens(int tokens) {
            this.kvTokens = atLeast("kvTokens", tokens, 1);
            return this;
        }

        Builder kernel(Gpt2Model.KernelChoice choice) {
            this.kernel = choice;
            return this;
        }

        /**
         * Loads the model and starts the engine.
         *
         * @return a running backend
         * @throws InvalidModelException when the model cannot be loaded
         */
        public Gpt2Backend build() {
            Gpt2Backend backend = buildStopped(Ticker.system());
            backend.engine.start("gpt2-engine-" + backend.modelName);
            return backend;
        }

        /** Leaves the engine to be stepped by hand. */
        Gpt2Backend buildStopped(Ticker ticker) {
            ModelFiles files = directory == null ? ModelFiles.builtIn() : ModelFiles.directory(directory);
            String name = modelName;
            if (name == null) {
                name = directory == null
                        ? BUILT_IN_MODEL
                        : directory.toAbsolutePath().normalize().getFileName().toString();
            }
            Gpt2Model model = Gpt2Model.load(files, name, kernel, threads);
            int context = model.contextLength();
            int tokens = kvTokens == null ? Math.multiplyExact(maxSequences, context) : kvTokens;
            if (tokens < context) {
                model.close();
                throw new IllegalArgumentException(
                        "kvTokens must be at least the model's context of " + context + ", got " + tokens);
            }
            return new Gpt2Backend(
                    name, model, new EngineOptions(maxSequences, queueLimit, tokens, STEP_TOKENS), ticker);
        }

        private static int atLeast(String name, int value, int least) {
            if (value < least) {
                throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
            }
            return value;
        }
    }
}
