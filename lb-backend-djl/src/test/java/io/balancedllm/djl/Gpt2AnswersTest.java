/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Prompt;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What requests may ask for, and what the answers to them are. */
class Gpt2AnswersTest extends Gpt2Scene {
    @Test
    void newTokensAreCountedApartFromThePromptAndTheContextEndsAnAnswer() {
        Completion limited = run(endless(1, 2, 3, 4, 5).maxTokens(3).build());
        assertThat(limited.usage().orElseThrow().completionTokens()).isEqualTo(3);
        int[] prompt = new int[120];
        Completion full = run(endless(prompt).maxTokens(100).build());
        assertThat(full.usage().orElseThrow().completionTokens()).isEqualTo(8);
        assertThat(full.choices().get(0).finishReason()).contains(FinishReason.LENGTH);
    }

    @Test
    void aPromptBeyondTheContextIsRefusedWithNumbers() {
        assertThat(refusal(ids(new int[128]).build()))
                .isEqualTo(Reason.CONTEXT_LENGTH_EXCEEDED
                        + ": the prompt has 128 tokens; the context holds 128 and at least"
                        + " one must be left for the answer: shorten the prompt");
        assertThat(refusal(CompletionRequest.of("the town ".repeat(1_000_000))))
                .startsWith("CONTEXT_LENGTH_EXCEEDED: the prompt has more than 128 tokens");
    }

    @ParameterizedTest
    @ValueSource(strings = {"logit_bias", "suffix", "guided_json", "stop_token_ids"})
    void fieldsThatWouldChangeTheAnswerAreRefusedByName(String field) {
        assertThat(refusal(ids(1).extra(Map.of(field, "x")).build())).startsWith("UNSUPPORTED: " + field);
    }

    @Test
    void requestsThatCannotBeHonouredAreRefusedByName() {
        assertThat(refusal(ids(1).tool(Map.of("type", "function")).build())).startsWith("UNSUPPORTED: tools");
        assertThat(refusal(ids(1).responseFormat(Map.of("type", "json_object")).build()))
                .startsWith("UNSUPPORTED: response_format json_object");
        assertThat(refusal(ids(512).build())).startsWith("INVALID_REQUEST: prompt has token id 512");
        assertThat(refusal(ids(1).stop("x".repeat(2_000)).build())).startsWith("INVALID_REQUEST: stop");
        assertThat(refusal(ids(1).topLogprobs(21).build())).startsWith("INVALID_REQUEST: top_logprobs");
        assertThat(refusal(ids(1).n(100).build())).startsWith("INVALID_REQUEST: n ");
        assertThat(refusal(CompletionRequest.builder("other").prompt("a").build()))
                .startsWith("MODEL_NOT_FOUND: model other");
        assertThat(run(ids(1).temperature(0)
                                .maxTokens(2)
                                .extra(Map.of("user", "u", "echo", false))
                                .build())
                        .text())
                .isNotEmpty();
        assertThatThrownBy(() -> ids(1).temperature(Double.NaN)).hasMessageContaining("temperature");
    }

    @Test
    void aStopStringEndsTheAnswerAndIsNeverHandedOutInPieces() {
        JsonNode prompt = NUMBERS.path("prompts").path(2);
        int[] expected = Golden.ints(prompt.path("greedy").path("ids"));
        String whole = text(expected);
        String stop = whole.substring(8, 14);
        RecordingSink sink = start(greedy(prompt, expected.length)
                .newBuilder()
                .stop(stop)
                .topLogprobs(2)
                .build());
        runAll();
        assertThat(sink.completion().text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
        assertThat(sink.completion().choices().get(0).finishReason()).contains(FinishReason.STOP);
        assertThat(sink.completion().usage().orElseThrow().completionTokens()).isLessThan(expected.length);
    }

    @Test
    void logprobsComeWithTheirTokensAndAgreeWithTransformers() {
        JsonNode prompt = NUMBERS.path("prompts").path(2);
        JsonNode greedy = prompt.path("greedy");
        int[] expected = Golden.ints(greedy.path("ids"));
        Completion completion =
                run(greedy(prompt, expected.length).newBuilder().topLogprobs(3).build());
        Choice choice = completion.choices().get(0);
        var tokens = choice.logprobs().orElseThrow().tokens();
        assertThat(tokens).hasSize(expected.length);
        for (int i = 0; i < expected.length; i++) {
            assertThat(tokens.get(i).logprob())
                    .isCloseTo(greedy.path("logprobs").path(i).asDouble(), within(1e-4));
            assertThat(tokens.get(i).top()).hasSize(3);
            assertThat(tokens.get(i).top().get(0).token())
                    .isEqualTo(tokens.get(i).token());
        }
    }

    @Test
    void severalChoicesAreSeededApartAndRepeatable() {
        CompletionRequest request = endless(1, 2, 3).n(3).seed(7).maxTokens(12).build();
        Completion first = run(request);
        RecordingSink again = start(request);
        RecordingSink other = start(endless(9).seed(8).maxTokens(30).build());
        runAll();
        assertThat(other.terminal).isEqualTo("completed");
        assertThat(first.choices()).hasSize(3);
        assertThat(first.choices().stream().map(Choice::text).distinct()).hasSize(3);
        assertThat(again.completion().choices().stream().map(Choice::text))
                .isEqualTo(first.choices().stream().map(Choice::text).toList());
        assertThat(first.usage().orElseThrow().completionTokens()).isEqualTo(36);
        assertThat(first.usage().orElseThrow().promptTokens()).isEqualTo(3);
    }

    @Test
    void aChatIsItsTextsEachFollowedByEndOfText() {
        Completion chat = run(CompletionRequest.builder()
                .system("ox")
                .user("<|endoftext|>")
                .maxTokens(4)
                .temperature(0)
                .build());
        IntList expected = new IntList();
        expected.addAll(backend.model().tokenizer().encode("ox"));
        expected.add(511);
        expected.addAll(backend.model().tokenizer().encode("<|endoftext|>"));
        expected.add(511);
        assertThat(chat.text())
                .isEqualTo(
                        run(ids(expected.toArray()).maxTokens(4).temperature(0).build())
                                .text());
        assertThat(chat.usage().orElseThrow().promptTokens()).isEqualTo(expected.toArray().length);
    }

    @Test
    void severalTextsAreCompletedEachOnItsOwn() {
        CompletionRequest request = CompletionRequest.builder()
                .prompt(new Prompt.Texts(List.of("ox", "town")))
                .n(2)
                .temperature(0)
                .maxTokens(4)
                .build();
        Completion completion = run(request);
        assertThat(completion.choices()).hasSize(4);
        String town = run(CompletionRequest.of("town")
                        .newBuilder()
                        .temperature(0)
                        .maxTokens(4)
                        .build())
                .text();
        assertThat(completion.choices().get(2).text()).isEqualTo(town);
        assertThat(completion.choices().get(3).text()).isEqualTo(town);
    }

    private String refusal(CompletionRequest request) {
        RecordingSink sink = start(request);
        return sink.failure().reason() + ": " + sink.failure().message();
    }
}
