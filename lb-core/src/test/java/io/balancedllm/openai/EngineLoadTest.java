/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.endpoint.EngineReport;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EngineLoadTest {
    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "TEXT named_metrics.num_requests_waiting=3.0, named_metrics.kv_cache_usage_perc=0.4",
                "JSON {\"named_metrics\": {\"num_requests_waiting\": 3.0, \"kv_cache_usage_perc\": 0.4}}",
                "{\"named_metrics\": {\"num_requests_waiting\": 3, \"kv_cache_usage_perc\": 0.4}, \"cpu_utilization\": 1}",
                "named_metrics.kv_cache_utilization=0.4,named_metrics.num_requests_waiting=3"
            })
    void anOrcaHeaderTellsWhoWaitsInAllItsForms(String header) {
        EngineReport report = EngineLoad.orca(header);
        assertThat(report.waiting()).hasValue(3);
        assertThat(report.kvUsage()).hasValue(0.4);
        assertThat(report.running()).as("it does not say who runs").isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "BIN AAAA", "JSON {", "JSON []", "TEXT ====,,,=", "JSON {\"named_metrics\": 3}", "x"})
    void aHeaderThatCannotBeReadTellsNothing(String header) {
        assertThat(EngineLoad.orca(header).isEmpty()).isTrue();
    }

    @Test
    void aHeaderOfAMegabyteIsNotRead() {
        String header = "TEXT named_metrics.num_requests_waiting=3" + ",x=1".repeat(250_000);
        assertThat(EngineLoad.orca(header).isEmpty()).isTrue();
        assertThat(EngineLoad.orca(null).isEmpty()).isTrue();
    }

    @Test
    void loadsAreSummedOverTheirRanks() {
        EngineReport report = EngineLoad.loads(utf8("""
                {"loads": [
                 {"dp_rank":0,"num_running_reqs":7,"num_waiting_reqs":3,"num_waiting_uncached_tokens":5120,
                  "max_total_num_tokens":436000,"max_running_requests":256,"token_usage":0.4},
                 {"dp_rank":1,"num_running_reqs":1,"num_waiting_reqs":0,"num_waiting_uncached_tokens":0,
                  "max_total_num_tokens":436000,"max_running_requests":256,"token_usage":0.2}]}"""));
        assertThat(report.requests()).hasValue(11);
        assertThat(report.waitingPromptTokens()).hasValue(5_120);
        assertThat(report.kvCapacityTokens()).hasValue(872_000);
        assertThat(report.maxSequences()).hasValue(512);
        assertThat(report.kvUsage().orElseThrow()).isCloseTo(0.3, org.assertj.core.data.Offset.offset(1e-9));
    }

    @Test
    void theListOfOlderSglangIsReadToo() {
        EngineReport report =
                EngineLoad.loads(utf8("[{\"dp_rank\":0,\"num_reqs\":5,\"num_waiting_reqs\":2,\"num_tokens\":9}]"));
        assertThat(report.running()).hasValue(3);
        assertThat(report.waiting()).hasValue(2);
    }

    @Test
    void slotsTellWhoIsServedAndNotWhoWaits() {
        EngineReport report = EngineLoad.slots(
                utf8("[{\"id\":0,\"is_processing\":true},{\"id\":1,\"is_processing\":false,\"n_ctx\":256}]"));
        assertThat(report.running()).hasValue(1);
        assertThat(report.maxSequences()).hasValue(2);
        assertThat(report.waiting()).isEmpty();
        assertThat(report.requests())
                .as("a sum with something unknown is unknown")
                .isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "{}", "[]", "[1,2]", "{\"loads\":7}", "{\"loads\":[{\"num_running_reqs\":\"x\"}]}", "<html>"
            })
    void jsonOfAnotherShapeTellsNothing(String json) {
        assertThat(EngineLoad.loads(utf8(json)).isEmpty()).isTrue();
        assertThat(EngineLoad.slots(utf8(json)).isEmpty()).isTrue();
    }
}
