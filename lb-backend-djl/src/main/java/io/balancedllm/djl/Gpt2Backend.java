/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.KvListener;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.prefix.PromptEncoder;
import io.balancedllm.time.RandomSource;
import io.balancedllm.time.Ticker;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Serves a GPT-2 model in this process, on the CPU or a GPU. One daemon thread computes; it batches all running requests, each of
 * which gets the same greedy answer it would get alone. Thread-safe; starting a request costs its caller the time to
 * encode the prompt.
 *
 * <p>Plain prompts and chats are served, with any number of choices, stop strings, log probabilities and all of
 * {@link io.balancedllm.completion.SamplingOptions}; temperature is 1 where not set. A chat is rendered by the template
 * that transformers has for GPT-2: the text of each message followed by end-of-text, roles left out. Special tokens in
 * texts are ordinary characters. New tokens are counted apart from the prompt: {@value #DEFAULT_MAX_TOKENS} where the
 * request names no limit, and an answer that reaches the end of the context ends there with reason {@code length}. A
 * prompt that leaves no room fails with {@link Reason#CONTEXT_LENGTH_EXCEEDED}; a full queue refuses with
 * {@link Reason#OVERLOADED} and a time to come back, and a call whose timeout would pass before its turn with a
 * {@link Reason#DEADLINE_EXCEEDED} that may be retried. What would change the answer and is not supported (tools, JSON
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

    /** How many times as long as decoding alone a step may take for the sake of prompts. */
    public static final double DEFAULT_PROMPT_STRETCH = 3;

    /** The name of the built-in model. */
    public static final String BUILT_IN_MODEL = "story";

    /** Tokens a step feeds at most, and sequences that can run at once; it is cut shorter by the time steps take. */
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
            Gpt2Request request = Gpt2Request.of(attempt.request(), model, modelName);
            return submit(attempt, attempt.request().operation(), request, sink);
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

    /**
     * Turns texts into vectors: the mean of the model's states behind its last norm over all tokens of a text, of length 1.
     * GPT-2 was not trained to make vectors: good for finding near copies, not for search.
     */
    @Override
    public CompletionStage<Embeddings> embed(Attempt<EmbeddingRequest> attempt) {
        CompletableFuture<Embeddings> future = new CompletableFuture<>();
        VectorSink sink = new VectorSink(future, modelName);
        if (engine.closed()) {
            sink.failed(Engine.shutDownError());
            return future;
        }
        try {
            Gpt2Request request = Gpt2Request.of(attempt.request(), model, modelName);
            submit(attempt, Operation.EMBEDDINGS, request, sink);
        } catch (LlmException e) {
            sink.failed(e);
        }
        return future;
    }

    @Override
    public Optional<Runnable> tellKvEvents(KvListener listener) {
        return engine.closed() ? Optional.empty() : Optional.of(engine.tell(listener));
    }

    /**
     * {@return an encoder that sees prompts as this backend does: its tokens, in the blocks of its prefix cache} With it,
     * {@link io.balancedllm.routing.RoutingPolicies#prefixAffinity} knows exactly, told by the engine, what is cached at
     * each endpoint of this model. Requests for other models, and such that cannot be served here, are encoded as
     * {@link PromptEncoder#bytes()} does. Costs the caller the time to tokenize the prompt a second time.
     *
     * @param names under which callers ask for this model, besides its own and none
     */
    public PromptEncoder promptEncoder(String... names) {
        Set<String> known = new HashSet<>(List.of(names));
        known.add(modelName);
        return new TokenEncoder(model, known);
    }

    @Override
    public BackendTraits traits() {
        return BackendTraits.builder()
                .operations(Operation.TEXT, Operation.CHAT, Operation.EMBEDDINGS)
                .model(modelName)
                .contextTokens(model.contextLength())
                .kvCapacityTokens(options.kvTokens())
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
                + model.kernel().name() + " on " + model.kernel().device() + "}";
    }

    void start() {
        engine.start("gpt2-engine-" + modelName);
    }

    Engine engine() {
        return engine;
    }

    Gpt2Model model() {
        return model;
    }

    private Generation submit(Attempt<?> attempt, Operation operation, Gpt2Request request, GenerationSink sink) {
        int choices = request.prompts().size() * request.n();
        int limit = options.maxSequences() + options.queueLimit();
        if (choices > limit) {
            throw new LlmException(
                    Reason.INVALID_REQUEST,
                    (request.embeds() ? "input has " + choices + " texts" : "n asks for " + choices + " choices")
                            + "; this backend takes at most " + limit + " at a time");
        }
        Gpt2Generation generation = new Gpt2Generation(
                engine,
                sink,
                attempt.callId() + "-" + attempt.number(),
                modelName,
                operation,
                request,
                attempt.options().priority(),
                attempt.remaining().orElse(null));
        if (sink instanceof VectorSink vectors) {
            vectors.generation(generation);
        }
        long seed = request.sampling().seed().orElseGet(random::nextLong);
        List<Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < choices; i++) {
            sequences.add(new Sequence(i, request.prompts().get(i / request.n()), request, model, seed + i));
        }
        engine.submit(generation, sequences, request.n());
        return generation;
    }

    /** Builds a {@link Gpt2Backend}. Not thread-safe. */
    public static final class Builder {
        private final Gpt2Settings settings;

        private Builder(@Nullable Path directory) {
            settings = new Gpt2Settings(directory);
        }

        /** Sets the name requests use for the model; the directory's name by default. */
        public Builder modelName(String name) {
            if (name.isBlank()) {
                throw new IllegalArgumentException("modelName must not be blank");
            }
            settings.modelName = name;
            return this;
        }

        /** Sets how many threads PyTorch uses within one operation, in the whole process; at least 1. */
        public Builder threads(int threads) {
            settings.kernel = settings.kernel.threads(atLeast("threads", threads, 1));
            return this;
        }

        /** Sets how many sequences are generated at once, 1 to 256. */
        public Builder maxSequences(int sequences) {
            settings.maxSequences = atLeast("maxSequences", sequences, 1);
            if (sequences > STEP_TOKENS) {
                throw new IllegalArgumentException(
                        "maxSequences must be at most " + STEP_TOKENS + ", got " + sequences);
            }
            return this;
        }

        /** Sets how many more sequences may wait; 0 or more. */
        public Builder queueLimit(int sequences) {
            settings.queueLimit = atLeast("queueLimit", sequences, 0);
            return this;
        }

        /**
         * Sets how many tokens' keys and values are held, for running sequences and reusable prefixes together; at least
         * one context, and one context for each of the sequences by default.
         */
        public Builder kvTokens(int tokens) {
            settings.kvTokens = atLeast("kvTokens", tokens, 1);
            return this;
        }

        /** Sets the memory for keys and values in bytes instead of tokens; at least one context of the model. */
        public Builder kvBytes(long bytes) {
            if (bytes < 1) {
                throw new IllegalArgumentException("kvBytes must be at least 1, got " + bytes);
            }
            settings.kvBytes = bytes;
            return this;
        }

        /**
         * Sets where to compute: {@code cpu}, the default, or {@code gpu0}, {@code gpu1}, ... A GPU needs a CUDA build of
         * PyTorch that the user installs.
         */
        public Builder device(String device) {
            settings.kernel = settings.kernel.device(device);
            return this;
        }

        /** Sets the arithmetic; {@link KernelChoice#AUTOMATIC} by default. */
        public Builder kernel(KernelChoice choice) {
            settings.kernel = settings.kernel.choice(choice);
            return this;
        }

        /** Sets the numbers to compute with, {@link Precision#FP32} by default; the others are for GPUs. */
        public Builder precision(Precision precision) {
            settings.kernel = settings.kernel.precision(precision);
            return this;
        }

        /**
         * Splits the layers over devices, in this order, as evenly as can be: for a model that no device holds alone. The
         * same device may be named more than once. Answers are those of the whole model.
         */
        public Builder pipeline(String... devices) {
            if (devices.length < 2) {
                throw new IllegalArgumentException("pipeline must name at least 2 devices, got " + devices.length);
            }
            settings.stages = List.of(devices);
            return this;
        }

        /**
         * Computes long prompts elsewhere, on another device or on another core of the same, and hands their keys and
         * values over, so that running streams are not held up. Each prompt goes where it costs less, to itself and to
         * those that run, by what both places have been seen to take, alone and at the same time: on shared cores most
         * stay in the engine's steps. On the same device the weights are shared. Needs memory for one more context than
         * the limit says.
         */
        public Builder prefillOn(String device) {
            settings.prefillDevice = device;
            return this;
        }

        /**
         * Sets how many times as long as decoding alone a step may take for the sake of prompts; at least 1. More brings
         * first tokens sooner and makes running streams stutter; infinity feeds prompts whole. Steps shorter than 20 ms
         * are not held to it.
         */
        public Builder promptStretch(double times) {
            if (!(times >= 1)) {
                throw new IllegalArgumentException("promptStretch must be at least 1, got " + times);
            }
            settings.promptStretch = times;
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
            backend.start();
            return backend;
        }

        /** Leaves the engine to be stepped by hand. */
        Gpt2Backend buildStopped(Ticker ticker) {
            return settings.over(settings.load(), ticker);
        }

        Gpt2Settings settings() {
            return settings;
        }

        private static int atLeast(String name, int value, int least) {
            if (value < least) {
                throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
            }
            return value;
        }
    }
}
