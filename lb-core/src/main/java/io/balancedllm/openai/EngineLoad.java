/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.openai.EngineMetrics.Signal;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What engines say of their load in JSON and in headers. What is malformed is absent. */
final class EngineLoad {
    /** Header by which an answer is asked to bring a report along, in the form of ORCA. */
    static final String ORCA_FORMAT = "endpoint-load-metrics-format";
    /** Header that brings it. */
    static final String ORCA = "endpoint-load-metrics";

    /** A header longer than this is not read. */
    private static final int MAX_ORCA = 4_096;

    private static final EngineReport NOTHING = EngineReport.builder().build();

    private EngineLoad() {}

    /** {@return what SGLang's {@code /v1/loads} says, summed over its ranks; also the list of older {@code /get_load}} */
    static EngineReport loads(byte[] json) {
        Object read = value(json);
        Object ranks = read instanceof Map<?, ?> object ? object.get("loads") : read;
        EngineMetrics metrics = new EngineMetrics();
        if (ranks instanceof List<?> list) {
            for (Object rank : list) {
                if (rank instanceof Map<?, ?> load) {
                    boolean current = load.containsKey("num_running_reqs");
                    double waiting = number(load.get("num_waiting_reqs"));
                    metrics.add(
                            Signal.RUNNING,
                            current ? number(load.get("num_running_reqs")) : number(load.get("num_reqs")) - waiting);
                    metrics.add(Signal.WAITING, waiting);
                    metrics.add(Signal.KV_USAGE, number(load.get("token_usage")));
                    metrics.add(Signal.KV_TOKENS, number(load.get("max_total_num_tokens")));
                    metrics.add(Signal.MAX_SEQUENCES, number(load.get("max_running_requests")));
                    metrics.add(Signal.WAITING_PROMPT_TOKENS, number(load.get("num_waiting_uncached_tokens")));
                }
            }
        }
        return metrics.report();
    }

    /** {@return what llama.cpp's {@code /slots} says: it counts who is served, not who waits} */
    static EngineReport slots(byte[] json) {
        if (!(value(json) instanceof List<?> slots) || slots.isEmpty()) {
            return NOTHING;
        }
        int busy = 0;
        for (Object slot : slots) {
            if (!(slot instanceof Map<?, ?> fields) || !(fields.get("is_processing") instanceof Boolean processing)) {
                return NOTHING;
            }
            busy += processing ? 1 : 0;
        }
        return EngineReport.builder().running(busy).maxSequences(slots.size()).build();
    }

    /**
     * {@return what a response's ORCA header says} {@code TEXT named_metrics.kv_cache_usage_perc=0.4, ...} or
     * {@code JSON {"named_metrics": {...}}}; the form without a prefix is read, too.
     */
    static EngineReport orca(@Nullable String header) {
        if (header == null || header.length() > MAX_ORCA) {
            return NOTHING;
        }
        String text = header.strip();
        EngineMetrics metrics = new EngineMetrics();
        if (text.startsWith("JSON")) {
            orcaJson(text.substring("JSON".length()), metrics);
        } else if (text.startsWith("{")) {
            orcaJson(text, metrics);
        } else {
            String list = text.startsWith("TEXT") ? text.substring("TEXT".length()) : text;
            for (String pair : list.split(",", -1)) {
                int equals = pair.indexOf('=');
                if (equals > 0) {
                    orca(pair.substring(0, equals).strip(), number(pair.substring(equals + 1)), metrics);
                }
            }
        }
        return metrics.report();
    }

    private static void orcaJson(String json, EngineMetrics metrics) {
        if (value(json.getBytes(java.nio.charset.StandardCharsets.UTF_8)) instanceof Map<?, ?> fields) {
            fields.forEach((name, value) -> {
                if (value instanceof Map<?, ?> named) {
                    named.forEach((key, number) -> orca(name + "." + key, number(number), metrics));
                }
            });
        }
    }

    private static void orca(String name, double value, EngineMetrics metrics) {
        switch (name) {
            case "named_metrics.num_requests_running" -> metrics.add(Signal.RUNNING, value);
            case "named_metrics.num_requests_waiting" -> metrics.add(Signal.WAITING, value);
            case "named_metrics.kv_cache_usage_perc", "named_metrics.kv_cache_utilization" ->
                metrics.add(Signal.KV_USAGE, value);
            case "named_metrics.max_token_capacity" -> metrics.add(Signal.KV_TOKENS, value);
            default -> {} // what an engine says besides is not ours
        }
    }

    private static @Nullable Object value(byte[] json) {
        try {
            return Json.read(json);
        } catch (IOException e) {
            return null; // absent, like everything that cannot be read
        }
    }

    private static double number(@Nullable Object value) {
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        if (value instanceof String text) {
            try {
                return Double.parseDouble(text.strip());
            } catch (NumberFormatException e) {
                return Double.NaN;
            }
        }
        return Double.NaN;
    }
}
