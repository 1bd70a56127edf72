/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.balancedllm.endpoint.EngineReport;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Endpoints and reports as JSON. Everything that is wrong is an {@link IllegalArgumentException} that names the field and
 * quotes no value longer than a few characters.
 */
final class DiscoveryJson {
    /** The most endpoints of a set. */
    static final int MAX_ENDPOINTS = 10_000;

    private static final int MAX_DEPTH = 16;
    private static final Set<String> SPEC_FIELDS =
            Set.of("id", "url", "generation", "weight", "max_concurrency", "models", "labels");

    private static final ObjectMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(MAX_DEPTH)
                            .maxStringLength(EndpointSpec.MAX_TEXT * 4)
                            .maxNumberLength(64)
                            .build())
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private DiscoveryJson() {}

    static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    /** {@return the JSON object these bytes are} */
    static ObjectNode read(byte[] json) {
        try {
            if (MAPPER.readTree(json) instanceof ObjectNode object) {
                return object;
            }
            throw new IllegalArgumentException("is no JSON object");
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "is no JSON: line " + e.getLocation().getLineNr() + ", column "
                            + e.getLocation().getColumnNr(),
                    e);
        } catch (IOException e) {
            throw new IllegalArgumentException("is no JSON", e);
        }
    }

    static byte[] write(JsonNode node) {
        return node.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** {@return the endpoints of a file: {@code {"endpoints": [{"url": ...}, ...]}}; fields it does not know are wrong} */
    static List<EndpointSpec> endpoints(byte[] json) {
        ObjectNode root = read(json);
        refuseUnknown(root, Set.of("endpoints"), "the file");
        JsonNode list = root.get("endpoints");
        if (list == null || !list.isArray()) {
            throw new IllegalArgumentException("has no list \"endpoints\"");
        }
        if (list.size() > MAX_ENDPOINTS) {
            throw new IllegalArgumentException("has more than " + MAX_ENDPOINTS + " endpoints");
        }
        List<EndpointSpec> specs = new ArrayList<>();
        Set<String> ids = new TreeSet<>();
        for (int i = 0; i < list.size(); i++) {
            try {
                JsonNode node = list.get(i);
                refuseUnknown(node, SPEC_FIELDS, "it");
                EndpointSpec spec = spec(node);
                if (!ids.add(spec.id())) {
                    throw new IllegalArgumentException("its id was named before");
                }
                specs.add(spec);
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException("endpoint " + (i + 1) + ": " + e.getMessage(), e);
            }
        }
        return specs;
    }

    /** {@return one endpoint; without an id it is called after its host and port} */
    static EndpointSpec spec(JsonNode node) {
        String url = text(node, "url");
        String id = node.hasNonNull("id") ? text(node, "id") : idOf(url);
        EndpointSpec.Builder spec = EndpointSpec.builder(id, url);
        if (node.hasNonNull("generation")) {
            spec.generation(text(node, "generation"));
        }
        if (node.hasNonNull("weight")) {
            spec.weight(number(node, "weight"));
        }
        if (node.hasNonNull("max_concurrency")) {
            spec.maxConcurrency(count(node, "max_concurrency"));
        }
        JsonNode models = node.path("models");
        if (models.isArray()) {
            models.forEach(model -> spec.model(model.asText()));
        } else if (models.isObject()) {
            models.properties().forEach(model -> spec.model(model.getKey(), textOf("models", model.getValue())));
        } else if (!models.isMissingNode() && !models.isNull()) {
            throw new IllegalArgumentException(
                    "models must be a list of names, or an object of name and upstream name");
        }
        JsonNode labels = node.path("labels");
        if (!labels.isMissingNode() && !labels.isNull() && !labels.isObject()) {
            throw new IllegalArgumentException("labels must be an object");
        }
        labels.properties().forEach(label -> spec.label(label.getKey(), textOf("labels", label.getValue())));
        return spec.build();
    }

    static ObjectNode write(EndpointSpec spec) {
        ObjectNode node = object().put("id", spec.id())
                .put("url", spec.url())
                .put("weight", spec.weight())
                .put("max_concurrency", spec.maxConcurrency());
        if (!spec.generation().isEmpty()) {
            node.put("generation", spec.generation());
        }
        if (!spec.models().isEmpty()) {
            ObjectNode models = node.putObject("models");
            spec.models().forEach(models::put);
        }
        if (!spec.labels().isEmpty()) {
            ObjectNode labels = node.putObject("labels");
            spec.labels().forEach(labels::put);
        }
        return node;
    }

    private static String idOf(String url) {
        try {
            URI parsed = URI.create(url);
            String host = String.valueOf(parsed.getHost());
            return parsed.getPort() < 0 ? host : host + ":" + parsed.getPort();
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("url must be a URL, http://host:port", e);
        }
    }

    /** {@return a report; numbers that cannot be are absent, for they come with a heartbeat that is worth more} */
    static EngineReport report(JsonNode node) {
        EngineReport.Builder report = EngineReport.builder();
        ifCount(node, "running", 0, value -> report.running((int) value));
        ifCount(node, "waiting", 0, value -> report.waiting((int) value));
        ifCount(node, "kv_blocks", 1, value -> report.kvBlocks((int) value));
        ifCount(node, "block_tokens", 1, value -> report.blockTokens((int) value));
        ifCount(node, "max_sequences", 1, value -> report.maxSequences((int) value));
        ifCount(node, "kv_tokens", 1, report::kvCapacityTokens);
        ifCount(node, "waiting_prompt_tokens", 0, report::waitingPromptTokens);
        JsonNode usage = node.path("kv_usage");
        if (usage.isNumber() && usage.doubleValue() >= 0 && usage.doubleValue() <= 1) {
            report.kvUsage(usage.doubleValue());
        }
        return report.build();
    }

    private static void ifCount(JsonNode node, String field, int least, java.util.function.LongConsumer set) {
        JsonNode value = node.path(field);
        if (value.isIntegralNumber() && value.canConvertToInt() && value.intValue() >= least) {
            set.accept(value.intValue());
        }
    }

    static ObjectNode write(EngineReport report) {
        ObjectNode node = object();
        report.running().ifPresent(value -> node.put("running", value));
        report.waiting().ifPresent(value -> node.put("waiting", value));
        report.kvBlocks().ifPresent(value -> node.put("kv_blocks", value));
        report.blockTokens().ifPresent(value -> node.put("block_tokens", value));
        report.maxSequences().ifPresent(value -> node.put("max_sequences", value));
        report.kvCapacityTokens().ifPresent(value -> node.put("kv_tokens", value));
        report.waitingPromptTokens().ifPresent(value -> node.put("waiting_prompt_tokens", value));
        report.kvUsage().ifPresent(value -> node.put("kv_usage", value));
        return node;
    }

    private static void refuseUnknown(JsonNode node, Set<String> known, String what) {
        if (!node.isObject()) {
            throw new IllegalArgumentException(what + " is no JSON object");
        }
        node.fieldNames().forEachRemaining(name -> {
            if (!known.contains(name)) {
                throw new IllegalArgumentException(
                        what + " has a field nobody knows; known are " + new TreeSet<>(known));
            }
        });
    }

    static String text(JsonNode node, String field) {
        JsonNode value = node.get(field);
        if (value == null || value.isNull()) {
            throw new IllegalArgumentException(field + " is missing");
        }
        return textOf(field, value);
    }

    private static String textOf(String field, JsonNode value) {
        if (!value.isTextual()) {
            throw new IllegalArgumentException(field + " must be text");
        }
        return value.textValue();
    }

    private static double number(JsonNode node, String field) {
        if (!node.get(field).isNumber()) {
            throw new IllegalArgumentException(field + " must be a number");
        }
        return node.get(field).doubleValue();
    }

    private static int count(JsonNode node, String field) {
        if (!node.get(field).canConvertToInt() || !node.get(field).isIntegralNumber()) {
            throw new IllegalArgumentException(field + " must be a whole number");
        }
        return node.get(field).intValue();
    }
}
