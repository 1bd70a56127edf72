/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl.embedding;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * A sentence encoder from a sentence-transformers directory, in this process on PyTorch: BERT encoders such as
 * all-MiniLM-L6-v2, bge, gte or e5 in their sizes, as they are published. Reads {@code config.json},
 * {@code tokenizer.json}, {@code model.safetensors} and, where they are, {@code modules.json},
 * {@code 1_Pooling/config.json} and {@code sentence_bert_config.json}; no network, no conversion. Computes on the thread
 * that asks, fp32 on the CPU, one text after the other. Thread-safe.
 *
 * <p>Other architectures (RoBERTa, MPNet, ModernBERT), other poolings than mean and first token, and added dense layers
 * are refused by name. Texts are embedded as they are: what a model wants before each text ("query: ") is not added.
 *
 * <p>Needs {@code ai.djl.pytorch:pytorch-native-cpu} for the platform, as all of this module does.
 */
public final class SentenceEmbedder implements Embedder {
    /** Threads PyTorch uses within one operation. */
    public static final int DEFAULT_THREADS = 1;

    private static final String WEIGHTS = "model.safetensors";
    private static final String TOKENIZER = "tokenizer.json";
    private static final int ID_DIGITS = 16;
    private static final int BUFFER_BYTES = 1 << 16;

    private final String id;
    private final double threshold;
    private final BertConfig config;
    private final HuggingFaceTokenizer tokenizer;
    private final BertEncoder encoder;
    /** Keeps the native model alive while it computes. */
    private final ReentrantReadWriteLock use = new ReentrantReadWriteLock();

    private boolean closed;

    private SentenceEmbedder(Path directory, double threshold, int threads) {
        this.threshold = threshold;
        this.config = BertConfig.read(directory);
        this.id = id(directory);
        this.tokenizer = tokenizer(directory.resolve(TOKENIZER));
        try {
            this.encoder = new BertEncoder(config, directory.resolve(WEIGHTS), threads);
        } catch (RuntimeException e) {
            tokenizer.close();
            throw e;
        }
    }

    /** {@return the embedder of a directory, with {@link Embedder#DEFAULT_THRESHOLD} and {@link #DEFAULT_THREADS}} */
    public static SentenceEmbedder load(Path directory) {
        return load(directory, DEFAULT_THRESHOLD, DEFAULT_THREADS);
    }

    /**
     * {@return the embedder of a directory}
     *
     * @param directory the model
     * @param threshold from which similarity on two texts count as the same, above 0 and at most 1: models differ much, so
     *     measure it with {@code lb-examples/run cache-report}
     * @param threads how many threads PyTorch uses within one operation, in the whole process; at least 1
     * @throws IllegalArgumentException when the directory is not such a model; the message names the file
     * @throws IllegalStateException when PyTorch does not load
     */
    public static SentenceEmbedder load(Path directory, double threshold, int threads) {
        if (!(threshold > 0 && threshold <= 1)) {
            throw new IllegalArgumentException("threshold must be above 0 and at most 1, got " + threshold);
        }
        if (threads < 1) {
            throw new IllegalArgumentException("threads must be at least 1, got " + threads);
        }
        return new SentenceEmbedder(directory, threshold, threads);
    }

    /** What the vectors depend on, so that processes with the same model name it alike wherever it lies. */
    private static String id(Path directory) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] buffer = new byte[BUFFER_BYTES];
            for (String name : List.of("config.json", TOKENIZER, WEIGHTS)) {
                Path file = directory.resolve(name);
                try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
                    while (in.read(buffer) >= 0) {
                        // the stream reads on for the digest
                    }
                } catch (IOException e) {
                    throw new IllegalArgumentException(file + " cannot be read: " + e.getMessage(), e);
                }
            }
            return "sentence/" + HexFormat.of().formatHex(digest.digest()).substring(0, ID_DIGITS);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static HuggingFaceTokenizer tokenizer(Path file) {
        try {
            return HuggingFaceTokenizer.newInstance(file, Map.of("truncation", "false", "padding", "false"));
        } catch (IOException | RuntimeException | LinkageError e) {
            throw new IllegalArgumentException(file + " is not a tokenizer: " + e.getMessage(), e);
        }
    }

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        use.readLock().lock();
        try {
            if (closed) {
                return CompletableFuture.failedStage(new IllegalStateException("the embedder is closed"));
            }
            return CompletableFuture.completedStage(
                    texts.stream().map(this::embed).toList());
        } catch (RuntimeException e) {
            return CompletableFuture.failedStage(e);
        } finally {
            use.readLock().unlock();
        }
    }

    private Embedding embed(String text) {
        long[] tokens = tokenizer.encode(text, true, false).getIds();
        boolean truncated = tokens.length > config.maximumTokens();
        if (truncated) {
            long last = tokens[tokens.length - 1]; // the mark at the end stays
            tokens = Arrays.copyOf(tokens, config.maximumTokens());
            tokens[tokens.length - 1] = last;
        }
        for (long token : tokens) {
            if (token >= encoder.vocabulary()) {
                throw new IllegalStateException("the tokenizer knows token " + token + ", and the model does not");
            }
        }
        return Embedding.of(encoder.encode(tokens), truncated);
    }

    @Override
    public int dimension() {
        return config.width();
    }

    /** {@return a digest of the model's files} */
    @Override
    public String id() {
        return id;
    }

    @Override
    public double threshold() {
        return threshold;
    }

    @Override
    public void close() {
        use.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                encoder.close();
                tokenizer.close();
            }
        } finally {
            use.writeLock().unlock();
        }
    }

    @Override
    public String toString() {
        return "SentenceEmbedder{" + id + ", dimension=" + config.width() + "}";
    }
}
