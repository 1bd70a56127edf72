/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.testkit.ScriptedBackend;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class DecisionRecordTest {
    private final OneThread world = new OneThread();

    @Test
    @DisplayName("D13: the record of a call names everybody who was weighed, by what, and who won")
    void aCallThatAsksIsToldWhoWasWeighedByWhatAndWhoWon() {
        BalancedLlm llm = world.balancer()
                .endpoint("a", ScriptedBackend.answering("one"))
                .endpoint("b", ScriptedBackend.answering("one"))
                .endpoint("c", ScriptedBackend.answering("one"))
                .build();
        CompletableFuture<Completion> call = llm.with(
                        CallOptions.builder().explain(true).build())
                .completeAsync(CompletionRequest.of("Once upon a time ".repeat(400)));
        world.settle();
        DecisionRecord record = call.join().decision().orElseThrow();

        assertThat(record.policy()).isEqualTo("prefixAffinity()");
        assertThat(record.candidates())
                .extracting(DecisionRecord.Candidate::endpoint)
                .containsExactly("a", "b", "c");
        assertThat(record.candidates())
                .filteredOn(DecisionRecord.Candidate::picked)
                .hasSize(1);
        assertThat(record.candidates()).allSatisfy(candidate -> {
            Map<String, Double> terms = candidate.terms();
            assertThat(terms)
                    .containsOnlyKeys(
                            "cached tokens (more is better)",
                            "wait in s",
                            "computing at its price in s",
                            "late first token in s",
                            "delay of others in s",
                            "cost in s");
            double sum = terms.getOrDefault("wait in s", Double.NaN)
                    + terms.getOrDefault("computing at its price in s", Double.NaN)
                    + terms.getOrDefault("late first token in s", Double.NaN)
                    + terms.getOrDefault("delay of others in s", Double.NaN);
            assertThat(terms.getOrDefault("cost in s", Double.NaN)).isEqualTo(sum);
        });
        llm.close();
        world.settle();
    }
}
