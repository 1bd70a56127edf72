/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.metrics.EndpointStatistics;
import io.balancedllm.metrics.LatencyStatistics;
import io.balancedllm.metrics.LatencySummary;
import io.balancedllm.metrics.LlmStatistics;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The statistics of a balancer in the text format of Prometheus. Quantiles are of the recent past, counts of always. */
final class MetricsText {
    private static final Duration AT_ONCE = Duration.ZERO;
    private static final double NANOS_PER_SECOND = 1e9;

    private final StringBuilder text = new StringBuilder();

    private MetricsText() {}

    /**
     * {@return the page}
     *
     * @param replicas what answers: their load goes by the names of vLLM, so that whoever reads those reads these
     */
    static String of(BalancedLlm llm, List<Endpoint> replicas) {
        MetricsText metrics = new MetricsText();
        metrics.engines(replicas);
        metrics.calls(llm.statistics(), llm.waiting());
        metrics.endpoints(llm);
        return metrics.text.toString();
    }

    private void engines(List<Endpoint> replicas) {
        List<String> labels = new ArrayList<>();
        List<EngineReport> reports = new ArrayList<>();
        for (Endpoint replica : replicas) {
            // Engines in this process answer at once.
            Optional<EngineReport> report =
                    replica.backend().report(AT_ONCE).toCompletableFuture().getNow(Optional.empty());
            String model =
                    replica.backend().traits().models().stream().findFirst().orElse("");
            if (report.isPresent()) {
                labels.add("engine=\"" + reports.size() + "\",model_name=\"" + escaped(model) + "\"");
                reports.add(report.get());
            }
        }
        head("vllm:num_requests_running", "gauge", "Requests an engine works on.");
        for (int i = 0; i < reports.size(); i++) {
            String label = labels.get(i);
            reports.get(i).running().ifPresent(value -> sample("vllm:num_requests_running", label, value));
        }
        head("vllm:num_requests_waiting", "gauge", "Requests that wait inside an engine.");
        for (int i = 0; i < reports.size(); i++) {
            String label = labels.get(i);
            reports.get(i).waiting().ifPresent(value -> sample("vllm:num_requests_waiting", label, value));
        }
        head("vllm:kv_cache_usage_perc", "gauge", "The share of an engine's KV memory in use, 0 to 1.");
        for (int i = 0; i < reports.size(); i++) {
            String label = labels.get(i);
            reports.get(i).kvUsage().ifPresent(value -> sample("vllm:kv_cache_usage_perc", label, value));
        }
        head("vllm:cache_config_info", "gauge", "An engine's KV memory, in its labels.");
        for (int i = 0; i < reports.size(); i++) {
            EngineReport report = reports.get(i);
            if (report.kvBlocks().isPresent() && report.blockTokens().isPresent()) {
                String sizes = "block_size=\"" + report.blockTokens().getAsInt() + "\",num_gpu_blocks=\""
                        + report.kvBlocks().getAsInt() + "\",";
                sample("vllm:cache_config_info", sizes + labels.get(i), 1);
            }
        }
    }

    private void calls(LlmStatistics statistics, int waiting) {
        head("lb_calls_total", "counter", "Calls that ended, by outcome.");
        sample("lb_calls_total", "outcome=\"completed\"", statistics.completed());
        sample("lb_calls_total", "outcome=\"failed\"", statistics.failed());
        sample("lb_calls_total", "outcome=\"cancelled\"", statistics.cancelled());
        head("lb_call_failures_total", "counter", "Calls that failed, by reason.");
        statistics
                .failures()
                .forEach((reason, count) -> sample(
                        "lb_call_failures_total", "reason=\"" + reason.name().toLowerCase(Locale.ROOT) + "\"", count));
        head("lb_calls_running", "gauge", "Calls that have not ended, the waiting ones included.");
        sample("lb_calls_running", "", statistics.running());
        head("lb_calls_waiting", "gauge", "Calls that wait for an endpoint with room.");
        sample("lb_calls_waiting", "", waiting);
        head("lb_retries_total", "counter", "Attempts after the first of their call.");
        sample("lb_retries_total", "", statistics.retries());
        head("lb_time_to_first_token_seconds", "summary", "From call to first token.");
        summary("lb_time_to_first_token_seconds", "", statistics.timeToFirstToken());
        head("lb_call_duration_seconds", "summary", "From call to end.");
        summary("lb_call_duration_seconds", "", statistics.duration());
    }

    private void endpoints(BalancedLlm llm) {
        LlmStatistics statistics = llm.statistics();
        head("lb_endpoint_attempts_total", "counter", "Attempts that ended, by endpoint and outcome.");
        for (EndpointStatistics endpoint : statistics.endpoints()) {
            String label = label(endpoint.id());
            sample("lb_endpoint_attempts_total", label + ",outcome=\"completed\"", endpoint.completed());
            sample("lb_endpoint_attempts_total", label + ",outcome=\"failed\"", endpoint.failed());
            sample("lb_endpoint_attempts_total", label + ",outcome=\"cancelled\"", endpoint.cancelled());
        }
        head("lb_endpoint_time_per_output_token_seconds", "summary", "Between two tokens of an answer.");
        for (EndpointStatistics endpoint : statistics.endpoints()) {
            summary("lb_endpoint_time_per_output_token_seconds", label(endpoint.id()), endpoint.timePerOutputToken());
        }
        head("lb_endpoint_in_flight", "gauge", "Attempts running at an endpoint.");
        for (EndpointStatus endpoint : llm.pool().endpoints()) {
            sample("lb_endpoint_in_flight", label(endpoint.id()), endpoint.inFlight());
        }
        head("lb_endpoint_state", "gauge", "1 for the state an endpoint is in.");
        for (EndpointStatus endpoint : llm.pool().endpoints()) {
            String state = endpoint.state().name().toLowerCase(Locale.ROOT);
            sample("lb_endpoint_state", label(endpoint.id()) + ",state=\"" + state + "\"", 1);
        }
    }

    private void summary(String name, String labels, LatencyStatistics latency) {
        LatencySummary recent = latency.recent();
        if (recent.count() > 0) {
            quantile(name, labels, "0.5", recent.p50());
            quantile(name, labels, "0.9", recent.p90());
            quantile(name, labels, "0.99", recent.p99());
        }
        LatencySummary total = latency.total();
        sample(name + "_sum", labels, seconds(total.mean()) * (double) total.count());
        sample(name + "_count", labels, total.count());
    }

    private void quantile(String name, String labels, String quantile, Duration value) {
        sample(name, labels + (labels.isEmpty() ? "" : ",") + "quantile=\"" + quantile + "\"", seconds(value));
    }

    private void head(String name, String type, String help) {
        text.append("# HELP ").append(name).append(' ').append(help).append('\n');
        text.append("# TYPE ").append(name).append(' ').append(type).append('\n');
    }

    private void sample(String name, String labels, long value) {
        sample(name, labels, Long.toString(value));
    }

    private void sample(String name, String labels, double value) {
        sample(name, labels, Double.toString(value));
    }

    private void sample(String name, String labels, String value) {
        text.append(name);
        if (!labels.isEmpty()) {
            text.append('{').append(labels).append('}');
        }
        text.append(' ').append(value).append('\n');
    }

    private static String label(String endpoint) {
        return "endpoint=\"" + escaped(endpoint) + "\"";
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
    }

    private static double seconds(Duration duration) {
        return duration.toNanos() / NANOS_PER_SECOND;
    }
}
