/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.onnx;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A BERT encoder on ONNX Runtime; a text's vector is the mean of its tokens'. Thread-safe. No type of ONNX Runtime leaves
 * this class: others can then be loaded, and say what is missing, where the library is not.
 */
final class BertModel implements AutoCloseable {
    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;

    BertModel(byte[] model, int threads) {
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(threads);
            options.setInterOpNumThreads(1);
            options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
            session = environment.createSession(model, options);
        } catch (OrtException e) {
            throw new IllegalStateException("the model could not be loaded: " + e.getMessage(), e);
        }
    }

    /** {@return a vector for each text, [texts][dimension], of any length} */
    float[][] vectors(List<WordPiece.Tokens> texts) {
        int longest = texts.stream().mapToInt(text -> text.ids().length).max().orElseThrow();
        LongBuffer ids = longs(texts.size() * longest);
        LongBuffer mask = longs(texts.size() * longest);
        for (int row = 0; row < texts.size(); row++) {
            int[] tokens = texts.get(row).ids();
            for (int column = 0; column < tokens.length; column++) {
                ids.put(row * longest + column, tokens[column]);
                mask.put(row * longest + column, 1);
            }
        }
        long[] shape = {texts.size(), longest};
        try (OnnxTensor idTensor = OnnxTensor.createTensor(environment, ids, shape);
                OnnxTensor maskTensor = OnnxTensor.createTensor(environment, mask, shape);
                OnnxTensor typeTensor = OnnxTensor.createTensor(environment, longs(texts.size() * longest), shape)) {
            Map<String, OnnxTensor> inputs = new HashMap<>();
            inputs.put("input_ids", idTensor);
            inputs.put("attention_mask", maskTensor);
            if (session.getInputNames().contains("token_type_ids")) {
                inputs.put("token_type_ids", typeTensor);
            }
            try (OrtSession.Result result = session.run(inputs)) {
                return means(texts, longest, (OnnxTensor) result.get(0));
            }
        } catch (OrtException e) {
            throw new IllegalStateException("the model could not compute: " + e.getMessage(), e);
        }
    }

    private static float[][] means(List<WordPiece.Tokens> texts, int longest, OnnxTensor states) {
        int dimension = (int) states.getInfo().getShape()[2];
        FloatBuffer values = states.getFloatBuffer();
        float[][] vectors = new float[texts.size()][dimension];
        for (int row = 0; row < vectors.length; row++) {
            float[] vector = vectors[row];
            int tokens = texts.get(row).ids().length;
            for (int token = 0; token < tokens; token++) {
                int from = (row * longest + token) * dimension;
                for (int i = 0; i < dimension; i++) {
                    vector[i] += values.get(from + i);
                }
            }
        }
        return vectors;
    }

    private static LongBuffer longs(int count) {
        return ByteBuffer.allocateDirect(count * Long.BYTES)
                .order(ByteOrder.nativeOrder())
                .asLongBuffer();
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException e) {
            throw new IllegalStateException("the model could not be freed: " + e.getMessage(), e);
        }
    }
}
