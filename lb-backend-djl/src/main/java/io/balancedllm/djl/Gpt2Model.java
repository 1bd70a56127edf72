/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The bare mathematics of a GPT-2 model: token ids in, logits out. For comparing with other implementations and for
 * experiments; {@link Gpt2Backend} is the one that serves requests. One thread at a time.
 */
public final class Gpt2Model implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Gpt2Model.class);

    private final Gpt2Config config;
    private final Tokenizer tokenizer;
    private final Kernel kernel;
    private final Set<Integer> endTokens;
    /** How many models share the tokenizer. */
    private final AtomicInteger sharers;

    private final AtomicBoolean closed = new AtomicBoolean();

    private Gpt2Model(Gpt2Config config, Tokenizer tokenizer, Kernel kernel, AtomicInteger sharers) {
        this.sharers = sharers;
        this.config = config;
        this.tokenizer = tokenizer;
        this.kernel = kernel;
        Set<Integer> configured = config.endTokens();
        endTokens = configured.isEmpty()
                ? tokenizer.special(Tokenizer.END_OF_TEXT).stream().boxed().collect(Collectors.toSet())
                : configured;
    }

    /**
     * Loads a model.
     *
     * @param directory a Hugging Face GPT-2 directory: {@code config.json}, {@code tokenizer.json} (or {@code vocab.json}
     *     and {@code merges.txt}) and safetensors weights
     * @return the model
     * @throws InvalidModelException when the directory does not hold a model that can be computed faithfully
     */
    public static Gpt2Model load(Path directory) {
        return load(ModelFiles.directory(directory), directory.toString(), KernelOptions.DEFAULT);
    }

    /** {@return the story model in this jar} */
    public static Gpt2Model builtIn() {
        return load(ModelFiles.builtIn(), "built-in story model", KernelOptions.DEFAULT);
    }

    static Gpt2Model load(ModelFiles files, String name, KernelOptions options) {
        return load(files, name, options, List.of());
    }

    /** Loads a model whose layers lie on these devices, in this order; none for the one device of the options. */
    static Gpt2Model load(ModelFiles files, String name, KernelOptions options, List<String> stages) {
        Gpt2Config config = Gpt2Config.read(files);
        Tokenizer tokenizer = Tokenizer.open(files);
        if (tokenizer.size() > config.vocabularySize()) {
            throw new InvalidModelException(files.describe("config.json") + ": vocab_size " + config.vocabularySize()
                    + " is less than the tokenizer's " + tokenizer.size()
                    + ": check that model and tokenizer belong together");
        }
        Checkpoint checkpoint = Checkpoint.open(files, config);
        Kernel kernel = stages.isEmpty()
                ? Kernels.load(config, checkpoint, options)
                : PipelineKernel.load(config, checkpoint, options, stages);
        LOG.info("Loaded {}: {} parameters, {} kernel", name, config.parameters(), kernel.name());
        return new Gpt2Model(config, tokenizer, kernel, new AtomicInteger(1));
    }

    /** {@return how many tokens prompt and answer can have together} */
    public int contextLength() {
        return config.contextLength();
    }

    /** {@return the ids of a text; special tokens in it are ordinary characters} */
    public int[] encode(String text) {
        return tokenizer.encode(text);
    }

    /** {@return the text of these ids, special tokens included} */
    public String decode(int[] ids) {
        for (int id : ids) {
            if (id < 0 || id >= tokenizer.size()) {
                throw new IllegalArgumentException("id " + id + " is not in the vocabulary of " + tokenizer.size());
            }
        }
        return tokenizer.decode(ids, false);
    }

    /**
     * Runs the model once.
     *
     * @param ids the prompt, 1 to {@link #contextLength} ids
     * @return the logits of the token that follows, [vocabulary]
     */
    public float[] logits(int[] ids) {
        checkIds(ids, 0);
        try (Kernel.KvCache cache = kernel.allocate(ids.length)) {
            return feed(cache, ids);
        }
    }

    /**
     * Continues a prompt with the most probable token each time, past end-of-text.
     *
     * @param ids the prompt, at least one id
     * @param count how many tokens to add; together with the prompt at most {@link #contextLength}
     * @return the new ids
     */
    public int[] greedy(int[] ids, int count) {
        checkIds(ids, count);
        int[] result = new int[count];
        try (Kernel.KvCache cache = kernel.allocate(ids.length + count)) {
            int[] next = ids;
            for (int i = 0; i < count; i++) {
                result[i] = JavaOps.argMax(feed(cache, next));
                next = new int[] {result[i]};
            }
        }
        return result;
    }

    /** Frees what the model holds outside of the Java heap. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            kernel.close();
            if (sharers.decrementAndGet() == 0) {
                tokenizer.close();
            }
        }
    }

    /** {@return the same model for another thread, with a kernel of its own over the same weights; closed on its own} */
    Gpt2Model replica() {
        return withKernel(kernel.replica());
    }

    /** {@return the same model on another kernel} */
    Gpt2Model withKernel(Kernel other) {
        sharers.incrementAndGet();
        return new Gpt2Model(config, tokenizer, other, sharers);
    }

    Gpt2Config config() {
        return config;
    }

    Tokenizer tokenizer() {
        return tokenizer;
    }

    Kernel kernel() {
        return kernel;
    }

    /** {@return the tokens that end an answer; possibly none} */
    Set<Integer> endTokens() {
        return endTokens;
    }

    private float[] feed(Kernel.KvCache cache, int[] ids) {
        return kernel.step(List.of(new Kernel.Slice(cache, ids, true)))[0];
    }

    private void checkIds(int[] ids, int more) {
        if (ids.length < 1 || more < 0 || ids.length + more > config.contextLength()) {
            throw new IllegalArgumentException("ids has " + ids.length + " tokens and " + more
                    + " are to be added; the context holds 1 to " + config.contextLength());
        }
        for (int id : ids) {
            if (id < 0 || id >= config.vocabularySize()) {
                throw new IllegalArgumentException(
                        "id " + id + " is not in the vocabulary of " + config.vocabularySize());
            }
        }
    }
}
