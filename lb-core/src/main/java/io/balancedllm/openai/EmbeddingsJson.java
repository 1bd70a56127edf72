/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Vectors, as lists of numbers or as base64 of little-endian 32-bit floats. */
final class EmbeddingsJson {
    private EmbeddingsJson() {}

    static Embeddings read(byte[] body) {
        Object json;
        try {
            json = Json.readVectors(body);
        } catch (IOException e) {
            throw OpenAiJson.protocol("the answer is no JSON: " + OpenAiJson.why(e), e);
        }
        Map<String, @Nullable Object> object = Fields.asObject(json);
        if (object == null) {
            throw OpenAiJson.protocol("the answer is no JSON object but " + Fields.describe(json));
        }
        LlmException error = ErrorJson.inBand(object);
        if (error != null) {
            throw error;
        }
        Fields fields = Fields.lenient(object);
        List<?> data = fields.list("data");
        if (data == null) {
            throw OpenAiJson.protocol("the answer has no list of \"data\"");
        }
        float[][] vectors = new float[data.size()][];
        List<Object> rests = new ArrayList<>(data.size());
        boolean anyRest = false;
        for (int i = 0; i < vectors.length; i++) {
            Map<String, @Nullable Object> item = Fields.asObject(data.get(i));
            if (item == null) {
                throw OpenAiJson.protocol("\"data[" + i + "]\" is no object");
            }
            Fields itemFields = Fields.lenient(item);
            Integer index = item.get("index") == null ? Integer.valueOf(i) : itemFields.integer("index", 0);
            if (index == null || index >= vectors.length || vectors[index] != null) {
                throw OpenAiJson.protocol("\"data[" + i + "].index\" is out of range or there twice");
            }
            vectors[index] = vector(itemFields, i);
            itemFields.dropIf("object", "embedding");
            anyRest |= !item.isEmpty();
            rests.add(item);
        }
        String model = fields.string("model");
        Usage usage = UsageJson.take(fields);
        fields.dropIf("object", "list");
        if (anyRest) {
            fields.put("data", rests);
        }
        return new Embeddings(model, List.of(vectors), usage, fields.rest());
    }

    private static float[] vector(Fields item, int position) {
        Object embedding = item.peek("embedding");
        item.drop("embedding");
        if (embedding instanceof float[] vector) {
            return vector;
        }
        if (embedding instanceof String base64) {
            try {
                byte[] bytes = Base64.getDecoder().decode(base64);
                if (bytes.length % Float.BYTES == 0) {
                    float[] vector = new float[bytes.length / Float.BYTES];
                    ByteBuffer.wrap(bytes)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .asFloatBuffer()
                            .get(vector);
                    return vector;
                }
            } catch (IllegalArgumentException e) {
                throw OpenAiJson.protocol("\"data[" + position + "].embedding\" is no base64", e);
            }
        }
        throw OpenAiJson.protocol(
                "\"data[" + position + "].embedding\" is neither a list of numbers nor base64 of 32-bit floats");
    }

    static Map<String, @Nullable Object> write(Embeddings embeddings, boolean base64) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("object", "list");
        List<Object> data = new ArrayList<>(embeddings.vectors().size());
        for (float[] vector : embeddings.vectors()) {
            Map<String, @Nullable Object> item = new LinkedHashMap<>();
            item.put("object", "embedding");
            item.put("index", data.size());
            item.put("embedding", base64 ? encode(vector) : vector);
            data.add(item);
        }
        json.put("data", data);
        embeddings.model().ifPresent(model -> json.put("model", model));
        embeddings.usage().ifPresent(usage -> json.put("usage", UsageJson.write(usage, false)));
        Json.merge(json, embeddings.extra());
        return json;
    }

    private static String encode(float[] vector) {
        ByteBuffer bytes = ByteBuffer.allocate(vector.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(vector);
        return Base64.getEncoder().encodeToString(bytes.array());
    }
}
