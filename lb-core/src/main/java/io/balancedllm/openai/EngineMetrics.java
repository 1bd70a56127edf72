/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.endpoint.EngineReport;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the metrics of the engines mean: one table of all names, old and new, since no two engines share one. Counts are
 * summed over the ranks and engines of a server (labels {@code engine}, {@code dp_rank}), ratios averaged, sizes of blocks
 * taken once. Ranks that repeat the same number ({@code tp_rank}, {@code pp_rank} other than 0) and the parts of a sum
 * ({@code priority}) are left out.
 */
final class EngineMetrics {
    /** What a sample tells. */
    enum Signal {
        RUNNING(Fold.SUM),
        WAITING(Fold.SUM),
        KV_USAGE(Fold.MEAN),
        KV_BLOCKS(Fold.SUM),
        BLOCK_TOKENS(Fold.FIRST),
        KV_TOKENS(Fold.SUM),
        MAX_SEQUENCES(Fold.SUM),
        WAITING_PROMPT_TOKENS(Fold.SUM);

        private final Fold fold;

        Signal(Fold fold) {
            this.fold = fold;
        }
    }

    private enum Fold {
        SUM,
        MEAN,
        FIRST
    }

    /**
     * A row of the table.
     *
     * @param only label and value a sample must have, empty for any
     * @param valueLabel the label that holds the value, for metrics that say everything in labels; null for the sample's
     */
    private record Row(
            Signal signal, String only, String is, @Nullable String valueLabel) {}

    private static final Map<String, List<Row>> TABLE = table();

    private final Map<Signal, double[]> found = new HashMap<>();

    private static Map<String, List<Row>> table() {
        Map<String, List<Row>> table = new HashMap<>();
        // vLLM, V1 and V0; llm-d-inference-sim speaks the same
        value(table, "vllm:num_requests_running", Signal.RUNNING);
        value(table, "vllm:num_requests_waiting", Signal.WAITING);
        value(table, "vllm:kv_cache_usage_perc", Signal.KV_USAGE);
        value(table, "vllm:gpu_cache_usage_perc", Signal.KV_USAGE);
        label(table, "vllm:cache_config_info", "num_gpu_blocks", Signal.KV_BLOCKS);
        label(table, "vllm:cache_config_info", "block_size", Signal.BLOCK_TOKENS);
        // SGLang: a colon in /metrics, an underscore in /v1/loads?format=prometheus and some versions
        for (String sglang : List.of("sglang:", "sglang_")) {
            value(table, sglang + "num_running_reqs", Signal.RUNNING);
            value(table, sglang + "num_queue_reqs", Signal.WAITING);
            value(table, sglang + "num_waiting_reqs", Signal.WAITING);
            value(table, sglang + "token_usage", Signal.KV_USAGE);
            value(table, sglang + "num_pages", Signal.KV_BLOCKS);
            value(table, sglang + "page_size", Signal.BLOCK_TOKENS);
            value(table, sglang + "max_total_num_tokens", Signal.KV_TOKENS);
            value(table, sglang + "max_running_requests", Signal.MAX_SEQUENCES);
            value(table, sglang + "num_waiting_uncached_tokens", Signal.WAITING_PROMPT_TOKENS);
            label(table, sglang + "cache_config_info", "num_pages", Signal.KV_BLOCKS); // until 0.5.22
            label(table, sglang + "cache_config_info", "page_size", Signal.BLOCK_TOKENS);
        }
        // llama.cpp; the last one is gone since 2025
        value(table, "llamacpp:requests_processing", Signal.RUNNING);
        value(table, "llamacpp:requests_deferred", Signal.WAITING);
        value(table, "llamacpp:kv_cache_usage_ratio", Signal.KV_USAGE);
        value(table, "tgi_batch_current_size", Signal.RUNNING);
        value(table, "tgi_queue_size", Signal.WAITING);
        // TensorRT-LLM, by itself and in Triton
        value(table, "trtllm_num_requests_running", Signal.RUNNING);
        value(table, "trtllm_num_requests_waiting", Signal.WAITING);
        value(table, "trtllm_kv_cache_utilization", Signal.KV_USAGE);
        only(table, "nv_trt_llm_request_metrics", "request_type", "scheduled", Signal.RUNNING);
        only(table, "nv_trt_llm_request_metrics", "request_type", "waiting", Signal.WAITING);
        only(table, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "fraction", Signal.KV_USAGE);
        only(table, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "max", Signal.KV_BLOCKS);
        only(table, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "tokens_per", Signal.BLOCK_TOKENS);
        return Map.copyOf(table);
    }

    private static void value(Map<String, List<Row>> table, String name, Signal signal) {
        add(table, name, new Row(signal, "", "", null));
    }

    private static void only(Map<String, List<Row>> table, String name, String only, String is, Signal signal) {
        add(table, name, new Row(signal, only, is, null));
    }

    private static void label(Map<String, List<Row>> table, String name, String valueLabel, Signal signal) {
        add(table, name, new Row(signal, "", "", valueLabel));
    }

    private static void add(Map<String, List<Row>> table, String name, Row row) {
        table.computeIfAbsent(name, key -> new ArrayList<>()).add(row);
    }

    /** {@return what a page of metrics says; an empty report when none of its names is known} */
    static EngineReport read(byte[] text) {
        EngineMetrics metrics = new EngineMetrics();
        PrometheusText.read(text, TABLE::containsKey, metrics::sample);
        return metrics.report();
    }

    private void sample(String name, Map<String, String> labels, double value) {
        if (isRepeated(labels)) {
            return;
        }
        for (Row row : TABLE.getOrDefault(name, List.of())) {
            if (row.only().isEmpty() || row.is().equals(labels.get(row.only()))) {
                add(row.signal(), row.valueLabel() == null ? value : number(labels.get(row.valueLabel())));
            }
        }
    }

    private static boolean isRepeated(Map<String, String> labels) {
        return !labels.getOrDefault("tp_rank", "0").equals("0")
                || !labels.getOrDefault("pp_rank", "0").equals("0")
                || !labels.getOrDefault("moe_ep_rank", "0").equals("0")
                || !labels.getOrDefault("priority", "").isEmpty();
    }

    private static double number(@Nullable String text) {
        try {
            return text == null ? Double.NaN : Double.parseDouble(text);
        } catch (NumberFormatException e) {
            return Double.NaN; // vLLM writes "None" before it has sized its cache
        }
    }

    /** Adds a number to what the signal has; NaN stands for none. */
    void add(Signal signal, double value) {
        if (Double.isFinite(value) && value >= 0) {
            double[] sum = found.computeIfAbsent(signal, key -> new double[2]);
            if (signal.fold != Fold.FIRST || sum[1] == 0) {
                sum[0] += value;
                sum[1]++;
            }
        }
    }

    private double folded(Signal signal, double least, double most) {
        double[] sum = found.get(signal);
        if (sum == null) {
            return Double.NaN;
        }
        double value = signal.fold == Fold.MEAN ? sum[0] / sum[1] : sum[0];
        return value >= least && value <= most ? value : Double.NaN;
    }

    private int count(Signal signal, int least) {
        double value = folded(signal, least, Integer.MAX_VALUE);
        return Double.isNaN(value) ? -1 : (int) value;
    }

    /** {@return the report; numbers that cannot be are absent} */
    EngineReport report() {
        EngineReport.Builder report = EngineReport.builder();
        if (count(Signal.RUNNING, 0) >= 0) {
            report.running(count(Signal.RUNNING, 0));
        }
        if (count(Signal.WAITING, 0) >= 0) {
            report.waiting(count(Signal.WAITING, 0));
        }
        if (count(Signal.KV_BLOCKS, 1) >= 0) {
            report.kvBlocks(count(Signal.KV_BLOCKS, 1));
        }
        if (count(Signal.BLOCK_TOKENS, 1) >= 0) {
            report.blockTokens(count(Signal.BLOCK_TOKENS, 1));
        }
        if (count(Signal.MAX_SEQUENCES, 1) >= 0) {
            report.maxSequences(count(Signal.MAX_SEQUENCES, 1));
        }
        double usage = folded(Signal.KV_USAGE, 0, 1 + ROUNDING);
        if (!Double.isNaN(usage)) {
            report.kvUsage(Math.min(1, usage));
        }
        double kvTokens = folded(Signal.KV_TOKENS, 1, Long.MAX_VALUE);
        if (!Double.isNaN(kvTokens)) {
            report.kvCapacityTokens((long) kvTokens);
        }
        double waitingTokens = folded(Signal.WAITING_PROMPT_TOKENS, 0, Long.MAX_VALUE);
        if (!Double.isNaN(waitingTokens)) {
            report.waitingPromptTokens((long) waitingTokens);
        }
        return report.build();
    }

    /** Shares computed by engines may end up a little above 1. */
    private static final double ROUNDING = 1e-3;
}
