/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.endpoint.EngineReport;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;

class EngineMetricsTest {
    private static EngineReport read(String text) {
        return EngineMetrics.read(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void countsAreSummedOverTheEnginesOfAServerAndRatiosAveraged() {
        EngineReport report = read("""
                # TYPE vllm:num_requests_running gauge
                vllm:num_requests_running{engine="0",model_name="m"} 3.0
                vllm:num_requests_running{engine="1",model_name="m"} 4
                vllm:num_requests_waiting{engine="0",model_name="m"} 0
                vllm:num_requests_waiting{engine="1",model_name="m"} 5 1795251600000
                vllm:num_requests_waiting_by_reason{engine="1",model_name="m",reason="capacity"} 5
                vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.2
                vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.4
                vllm:cache_config_info{engine="0",block_size="16",num_gpu_blocks="100"} 1.0
                vllm:cache_config_info{engine="1",block_size="16",num_gpu_blocks="140"} 1.0
                """);
        assertThat(report.running()).hasValue(7);
        assertThat(report.waiting()).hasValue(5);
        assertThat(report.requests()).hasValue(12);
        assertThat(report.kvUsage().orElseThrow()).isCloseTo(0.3, org.assertj.core.data.Offset.offset(1e-9));
        assertThat(report.kvBlocks()).hasValue(240);
        assertThat(report.blockTokens()).hasValue(16);
        assertThat(report.kvCapacityTokens()).hasValue(3_840);
    }

    @Test
    void oldAndNewNamesMeanTheSame() {
        assertThat(read("vllm:gpu_cache_usage_perc 0.5").kvUsage()).hasValue(0.5);
        assertThat(read("sglang_num_running_reqs{dp_rank=\"0\"} 7\nsglang_num_running_reqs{dp_rank=\"1\"} 5")
                        .running())
                .hasValue(12);
        assertThat(read("sglang:num_queue_reqs 3").waiting()).hasValue(3);
        assertThat(read("sglang:cache_config_info{page_size=\"64\",num_pages=\"10\"} 1")
                        .kvCapacityTokens())
                .hasValue(640);
        assertThat(read("llamacpp:kv_cache_usage_ratio 0.25").kvUsage()).hasValue(0.25);
        assertThat(read("tgi_queue_size 2").waiting()).hasValue(2);
        assertThat(read("nv_trt_llm_request_metrics{model=\"m\",request_type=\"waiting\"} 4\n"
                                + "nv_trt_llm_request_metrics{model=\"m\",request_type=\"active\"} 9")
                        .waiting())
                .hasValue(4);
        assertThat(read("trtllm_kv_cache_utilization 0.75").kvUsage()).hasValue(0.75);
    }

    @Test
    void ranksThatRepeatTheNumbersOfRankZeroAreNotCountedTwice() {
        EngineReport report = read("""
                sglang:num_running_reqs{tp_rank="0",pp_rank="0"} 7
                sglang:num_running_reqs{tp_rank="1",pp_rank="0"} 7
                sglang:num_running_reqs{tp_rank="0",pp_rank="0",priority="1"} 4
                """);
        assertThat(report.running()).hasValue(7);
    }

    @Test
    void whatIsNotSaidOrCannotBeIsAbsentAndNeverZero() {
        EngineReport report = read("""
                vllm:num_requests_running NaN
                vllm:num_requests_waiting -1
                vllm:kv_cache_usage_perc +Inf
                vllm:cache_config_info{block_size="None",num_gpu_blocks="1e99"} 1
                vllm:kv_cache_usage_perc{engine="0} 0.5
                vllm:num_requests_running{engine="0",model_name=bare} 3
                vllm:num_requests_runningx 3
                """);
        assertThat(report.isEmpty()).as(report.toString()).isTrue();
        assertThat(read("").isEmpty()).isTrue();
    }

    @Test
    void labelsMayHoldQuotesBracesAndLineBreaksInEscapes() {
        assertThat(read("vllm:num_requests_running{model_name=\"a\\\"} 9\\n\\\\\", engine = \"0\" ,} 3")
                        .running())
                .hasValue(3);
    }

    @Test
    void aLineWithoutEndIsSkippedAndCostsNoMoreThanItsBytes() {
        String endless = "vllm:num_requests_running{a=\"" + "x".repeat(PrometheusText.MAX_LINE_BYTES) + "\"} 3\n";
        assertThat(read(endless + "vllm:num_requests_waiting 2").running()).isEmpty();
        assertThat(read(endless + "vllm:num_requests_waiting 2").waiting()).hasValue(2);
    }

    @Test
    void mutatedPagesNeverThrow() {
        byte[] page = "vllm:num_requests_running{engine=\"0\"} 3.0\nvllm:cache_config_info{block_size=\"16\"} 1\n"
                .getBytes(StandardCharsets.UTF_8);
        Random random = new Random(7);
        int told = 0;
        for (int i = 0; i < 100_000; i++) {
            byte[] mutated = page.clone();
            for (int change = random.nextInt(4); change >= 0; change--) {
                mutated[random.nextInt(mutated.length)] = (byte) random.nextInt(128);
            }
            told += EngineMetrics.read(mutated).isEmpty() ? 0 : 1;
        }
        assertThat(told).isBetween(1, 100_000);
    }
}
