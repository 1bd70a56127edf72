/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl.embedding;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.Activation;
import ai.djl.nn.core.Embedding;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.LayerNorm;
import ai.djl.pytorch.jni.JniUtils;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * BERT (Devlin and others, 2018) on the NDArray operations of DJL, fp32 on the CPU: one text at a time, so that nothing is
 * padded or masked. Token vectors are [tokens, width], attention is [heads, tokens, tokens]. Thread-safe; a computation
 * uses the thread that asks.
 */
final class BertEncoder implements AutoCloseable {
    private static final String ENGINE = "PyTorch";
    private static final String PREFIX = "bert.";

    private final BertConfig config;
    private final Path file;
    private final NDManager manager;
    private final Map<String, NDArray> weights = new HashMap<>();
    private final NDArray firstType;

    BertEncoder(BertConfig config, Path file, int threads) {
        this.config = config;
        this.file = file;
        this.manager = open(threads);
        try (InputStream in = Files.newInputStream(file)) {
            for (NDArray array : NDList.decode(manager, in)) {
                String name = String.valueOf(array.getName());
                NDArray floats = array.toType(DataType.FLOAT32, false);
                floats.attach(manager);
                weights.put(name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name, floats);
            }
            NDArray types = weight("embeddings.token_type_embeddings.weight");
            requireShape("embeddings.word_embeddings.weight", config.width());
            requireShape("embeddings.position_embeddings.weight", config.width());
            firstType = types.get(0);
            firstType.attach(manager);
            encode(new long[] {0}); // what is missing or has another shape is told now, and not by the first text
        } catch (IOException | RuntimeException e) {
            manager.close();
            throw new IllegalArgumentException(file + " is not the weights of such a model: " + e.getMessage(), e);
        }
    }

    /** Loads PyTorch once, offline and without telemetry; settings of the user stay. */
    private static synchronized NDManager open(int threads) {
        if (System.getProperty("ai.djl.offline") == null) {
            System.setProperty("ai.djl.offline", "true");
        }
        if (System.getProperty("OPT_OUT_TRACKING") == null) {
            System.setProperty("OPT_OUT_TRACKING", "true");
        }
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(BertEncoder.class.getClassLoader());
        try {
            Engine.getEngine(ENGINE);
            JniUtils.setNumThreads(threads);
            return NDManager.newBaseManager(Device.cpu(), ENGINE);
        } catch (RuntimeException | LinkageError e) {
            throw new IllegalStateException(
                    "PyTorch does not load (" + e.getMessage() + "): add ai.djl.pytorch:pytorch-native-cpu for this"
                            + " platform to the class path",
                    e);
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    private NDArray weight(String name) {
        NDArray array = weights.get(name);
        if (array == null) {
            throw new IllegalArgumentException("there is no tensor " + name);
        }
        return array;
    }

    private void requireShape(String name, int columns) {
        Shape shape = weight(name).getShape();
        if (shape.dimension() != 2 || shape.get(1) != columns) {
            throw new IllegalArgumentException(name + " has the shape " + shape + ", and not " + columns + " columns");
        }
    }

    /** {@return how many tokens the vocabulary has} */
    long vocabulary() {
        return weight("embeddings.word_embeddings.weight").getShape().get(0);
    }

    /** {@return the vector of a text} */
    float[] encode(long[] tokens) {
        boolean gradients = JniUtils.isGradMode();
        JniUtils.setGradMode(false);
        try (NDManager step = manager.newSubManager();
                NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            NDArray x = embed(step, tokens);
            for (int layer = 0; layer < config.layers(); layer++) {
                x = layer(x, "encoder.layer." + layer + '.');
            }
            NDArray pooled = config.meanPooling() ? x.mean(new int[] {0}) : x.get(0);
            return pooled.toFloatArray();
        } finally {
            JniUtils.setGradMode(gradients);
        }
    }

    private NDArray embed(NDManager step, long[] tokens) {
        long[] positions = new long[tokens.length];
        for (int i = 0; i < positions.length; i++) {
            positions[i] = i;
        }
        NDArray words = row(step, tokens, "embeddings.word_embeddings.weight");
        NDArray places = row(step, positions, "embeddings.position_embeddings.weight");
        return norm(words.add(places).add(firstType), "embeddings.LayerNorm");
    }

    private NDArray row(NDManager step, long[] ids, String table) {
        return Embedding.embedding(step.create(ids), weight(table), SparseFormat.DENSE)
                .get(0);
    }

    private NDArray layer(NDArray x, String name) {
        NDArray attended = linear(attend(x, name + "attention.self."), name + "attention.output.dense");
        NDArray y = norm(x.add(attended), name + "attention.output.LayerNorm");
        NDArray inner = linear(y, name + "intermediate.dense");
        NDArray activated = config.gelu() ? Activation.gelu(inner) : Activation.relu(inner);
        return norm(y.add(linear(activated, name + "output.dense")), name + "output.LayerNorm");
    }

    private NDArray attend(NDArray x, String name) {
        NDArray queries = heads(linear(x, name + "query"));
        NDArray keys = heads(linear(x, name + "key"));
        NDArray values = heads(linear(x, name + "value"));
        NDArray scores = queries.matMul(keys.swapAxes(1, 2));
        scores.divi(Math.sqrt((double) config.width() / config.heads()));
        return scores.softmax(-1)
                .matMul(values)
                .transpose(1, 0, 2)
                .reshape(x.getShape().get(0), config.width());
    }

    private NDArray heads(NDArray x) {
        return x.reshape(x.getShape().get(0), config.heads(), config.width() / config.heads())
                .transpose(1, 0, 2);
    }

    private NDArray linear(NDArray x, String name) {
        return Linear.linear(x, weight(name + ".weight"), weight(name + ".bias"))
                .get(0);
    }

    private NDArray norm(NDArray x, String name) {
        return LayerNorm.layerNorm(
                        x,
                        new Shape(config.width()),
                        weight(name + ".weight"),
                        weight(name + ".bias"),
                        config.epsilon())
                .get(0);
    }

    @Override
    public void close() {
        manager.close();
    }

    @Override
    public String toString() {
        return "BertEncoder{" + file + "}";
    }
}
