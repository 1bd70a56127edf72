/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.ToolCallDelta;
import io.balancedllm.completion.Usage;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class OpenAiJsonTest {
    @Test
    void everyFieldOfARequestHasItsPlace() throws IOException {
        assertRequestSurvives(
                "{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":\"d\",\"name\":\"n\"},"
                        + "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"t\",\"cache_control\":{\"type\":\"e\"}},"
                        + "{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\",\"detail\":\"low\"}},{\"type\":\"input_audio\"}]},"
                        + "{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"r\",\"tool_calls\":[{\"id\":\"1\","
                        + "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\",\"x\":null}}]},"
                        + "{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"ok\",\"more\":[1,{\"a\":null}]}],"
                        + "\"temperature\":0.5,\"top_p\":0.9,\"top_k\":-1,\"min_p\":0.1,\"repetition_penalty\":1.5,"
                        + "\"presence_penalty\":-1.0,\"frequency_penalty\":1.0,\"seed\":4294967295,\"max_completion_tokens\":7,"
                        + "\"stop\":[\"a\",\"b\"],\"n\":2,\"logprobs\":true,\"top_logprobs\":3,\"tools\":[{\"type\":\"function\"}],"
                        + "\"tool_choice\":\"auto\",\"response_format\":{\"type\":\"json_object\"},\"stream\":true,"
                        + "\"stream_options\":{\"include_usage\":true},\"cache_salt\":\"s\"}");
    }

    @Test
    void aLimitKeepsTheNameItCameUnder() {
        CompletionRequest newer = text("{\"prompt\":\"x\",\"max_completion_tokens\":7}");
        assertThat(newer.maxTokens()).hasValue(7);
        assertThat(write(newer)).contains("\"max_completion_tokens\":7").doesNotContain("max_tokens\"");
        CompletionRequest both = text("{\"prompt\":\"x\",\"max_completion_tokens\":7,\"max_tokens\":9}");
        assertThat(both.maxTokens()).hasValue(9);
        assertThat(write(both)).contains("\"max_completion_tokens\":7").contains("\"max_tokens\":9");
        CompletionRequest older = text("{\"prompt\":\"x\",\"max_tokens\":9}");
        assertThat(write(older)).contains("\"max_tokens\":9").doesNotContain("completion");
    }

    @Test
    void everyFormOfPromptIsRead() {
        assertThat(text("{\"prompt\":\"x\"}").prompt()).isEqualTo(new Prompt.Text("x"));
        assertThat(text("{\"prompt\":[\"x\",\"y\"]}").prompt()).isEqualTo(new Prompt.Texts(List.of("x", "y")));
        assertThat(text("{\"prompt\":[1,2]}").prompt()).isEqualTo(new Prompt.Tokens(1, 2));
        assertThat(text("{\"prompt\":[[1],[2,3]]}").prompt())
                .isEqualTo(new Prompt.Tokens(List.of(new int[] {1}, new int[] {2, 3}), false));
        for (String bad :
                new String[] {"[]", "[[]]", "[1,\"x\"]", "[\"x\",1]", "[-1]", "[1.5]", "{}", "5", "[[1],2]"}) {
            assertThatThrownBy(() -> text("{\"prompt\":" + bad + "}"))
                    .as(bad)
                    .isInstanceOf(LlmException.class)
                    .hasMessageContaining("\"prompt\"");
        }
    }

    @Test
    void numbersInExtraFieldsLoseNothing() throws IOException {
        String json = "{\"prompt\":\"x\",\"a\":12345678901234567890123,\"b\":0.1000000000000000055511151231257827,"
                + "\"c\":9223372036854775807,\"d\":1E+400,\"e\":-0.0}";
        CompletionRequest request = text(json);
        assertThat(request.extra())
                .containsEntry("a", new BigInteger("12345678901234567890123"))
                .containsEntry("b", new BigDecimal("0.1000000000000000055511151231257827"))
                .containsEntry("c", Long.MAX_VALUE);
        assertThat(Json.read(OpenAiJson.writeRequest(request))).isEqualTo(Json.read(json));
    }

    @Test
    void nullOfATypedFieldIsAbsenceAndOfAnyOtherStays() {
        Completion read = OpenAiJson.readCompletion(
                Operation.CHAT,
                bytes("{\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\",\"refusal\":null,\"audio\":null},"
                        + "\"logprobs\":null,\"stop_reason\":null}],\"usage\":null,\"metrics\":null}"));
        assertThat(read.usage()).isEmpty();
        assertThat(read.extra()).containsOnlyKeys("metrics");
        assertThat(read.choices().get(0).extra()).containsOnlyKeys("stop_reason");
        assertThat(read.choices().get(0).message().extra()).containsOnlyKeys("audio");
        assertThat(new String(OpenAiJson.writeCompletion(read), StandardCharsets.UTF_8))
                .contains("\"metrics\":null")
                .contains("\"audio\":null");
    }

    @Test
    void whatDoesNotFitItsTypeStaysWhereItStood() throws IOException {
        String json =
                "{\"id\":5,\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,"
                        + "\"message\":{\"role\":\"assistant\",\"content\":[],\"tool_calls\":[{\"type\":\"custom\",\"custom\":{}}]},"
                        + "\"finish_reason\":7,\"logprobs\":{\"content\":[{\"token\":1}]}}],\"usage\":{\"prompt_tokens\":\"many\"}}";
        Completion read = OpenAiJson.readCompletion(Operation.CHAT, bytes(json));
        assertThat(RoundTripTest.normal(Json.read(OpenAiJson.writeCompletion(read))))
                .isEqualTo(RoundTripTest.normal(Json.read(json)));
    }

    @Test
    void emptyTextsAndBothNamesOfReasoningSurviveInChunks() throws IOException {
        for (String delta : new String[] {
            "{\"content\":\"\"}",
            "{}",
            "{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"\"}",
            "{\"reasoning_content\":\"r\"}",
            "{\"reasoning\":\"r\"}",
            "{\"reasoning\":\"\"}",
            "{\"reasoning\":\"r\",\"reasoning_content\":\"s\"}",
            "{\"tool_calls\":[]}",
            "{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}",
            "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\"}}]}",
        }) {
            String data =
                    "{\"id\":\"i\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":"
                            + "[{\"index\":0,\"delta\":" + delta + ",\"finish_reason\":null}]}";
            CompletionChunk chunk = OpenAiJson.readChunk(Operation.CHAT, data).get(0);
            assertThat(RoundTripTest.normal(Json.read(OpenAiJson.writeChunk(Operation.CHAT, chunk))))
                    .as(delta)
                    .isEqualTo(RoundTripTest.normal(Json.read(data)));
            assertThat(chunk.hasOutput()).as(delta).isEqualTo(delta.contains("\"r\"") || delta.contains("\"index\""));
        }
    }

    @Test
    void anEventWithSeveralChoicesBecomesSeveralChunksWithTheCountsOnTheLast() {
        List<CompletionChunk> chunks = OpenAiJson.readChunk(
                Operation.TEXT,
                "{\"choices\":[{\"index\":1,\"text\":\"b\"},{\"index\":0,\"text\":\"a\"}],"
                        + "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}");
        assertThat(chunks).extracting(CompletionChunk::text).containsExactly("b", "a");
        assertThat(chunks.get(0).usage()).isEmpty();
        assertThat(chunks.get(1).usage()).isPresent();
        assertThat(OpenAiJson.readChunk(Operation.TEXT, "null")).isEmpty();
    }

    @Test
    void aServersOwnChunksAreValidOnTheWire() throws IOException {
        assertThat(Json.read(OpenAiJson.writeChunk(Operation.TEXT, CompletionChunk.finish(0, FinishReason.STOP))))
                .isEqualTo(Json.read(
                        "{\"object\":\"text_completion\",\"created\":0,\"choices\":[{\"index\":0,\"text\":\"\","
                                + "\"logprobs\":null,\"finish_reason\":\"stop\"}]}"));
        assertThat(Json.read(OpenAiJson.writeChunk(
                        Operation.CHAT,
                        CompletionChunk.Delta.builder(0)
                                .toolCalls(List.of(new ToolCallDelta(0, "i", "f", "{}", Map.of())))
                                .extra(Map.of("created", 9))
                                .build())))
                .isEqualTo(Json.read("{\"object\":\"chat.completion.chunk\",\"created\":9,\"choices\":[{\"index\":0,"
                        + "\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"type\":\"function\",\"function\":"
                        + "{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"logprobs\":null,\"finish_reason\":null}]}"));
        assertThat(Json.read(OpenAiJson.writeChunk(
                        Operation.CHAT,
                        new CompletionChunk.UsageOnly(
                                Usage.builder(1, 2).cachedTokens(1).build()))))
                .isEqualTo(Json.read("{\"object\":\"chat.completion.chunk\",\"created\":0,\"choices\":[],\"usage\":"
                        + "{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3,"
                        + "\"prompt_tokens_details\":{\"cached_tokens\":1}}}"));
    }

    @Test
    void halfASurrogatePairSurvives() {
        CompletionRequest request = text("{\"prompt\":\"\\ud83d and \\ud83d\\ude00\"}");
        assertThat(text(write(request))).isEqualTo(request);
    }

    @Test
    void hostileBodiesFailTyped() {
        for (String hostile : new String[] {
            "",
            "[",
            "{",
            "nul",
            "\"x\"",
            "[".repeat(1 << 20),
            "{\"a\":".repeat(1 << 18),
            "{\"prompt\":\"x\"} {}",
            "{\"prompt\":\"x\",\"a\":" + "9".repeat(100_000) + "}",
            "{\"prompt\":\"x\",\"a\":1e99999999999}",
            "\u0000"
        }) {
            String shown = hostile.substring(0, Math.min(20, hostile.length()));
            assertThatThrownBy(() -> text(hostile))
                    .as(shown)
                    .isInstanceOf(LlmException.class)
                    .extracting(failure -> ((LlmException) failure).reason())
                    .isEqualTo(Reason.INVALID_REQUEST);
            assertThatThrownBy(() -> OpenAiJson.readCompletion(Operation.CHAT, bytes(hostile)))
                    .as(shown)
                    .isInstanceOf(LlmException.class);
            assertThatThrownBy(() -> OpenAiJson.readEmbeddings(bytes(hostile)))
                    .as(shown)
                    .isInstanceOf(LlmException.class);
        }
    }

    @Test
    void mutatedRequestsAreReadOrRefusedButNothingElse() {
        byte[] original =
                bytes("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
                        + "\"t\"}]}],\"temperature\":0.5,\"stop\":[\"a\"],\"n\":2,\"logprobs\":true,\"top_logprobs\":3,"
                        + "\"tools\":[{}],\"tool_choice\":{},\"seed\":1,\"max_tokens\":5,\"x\":[1e5,null]}");
        Random random = new Random(3);
        int read = 0;
        for (int round = 0; round < 20_000; round++) {
            byte[] mutated = original.clone();
            for (int i = random.nextInt(3); i >= 0; i--) {
                mutated[random.nextInt(mutated.length)] = (byte) "0123{}[]\",:-.eanul x".charAt(random.nextInt(20));
            }
            try {
                CompletionRequest request = OpenAiJson.readRequest(Operation.CHAT, mutated);
                byte[] written = OpenAiJson.writeRequest(request);
                if (!Arrays.equals(written, OpenAiJson.writeRequest(OpenAiJson.readRequest(Operation.CHAT, written)))) {
                    throw new AssertionError(new String(mutated, StandardCharsets.UTF_8) + " changes when written");
                }
                read++;
            } catch (LlmException e) {
                assertThat(e.reason()).isEqualTo(Reason.INVALID_REQUEST);
            }
        }
        assertThat(read).isGreaterThan(2_000);
    }

    @Test
    void anErrorInPlaceOfAnAnswerIsThrownAsThat() {
        assertThatThrownBy(() -> OpenAiJson.readCompletion(
                        Operation.CHAT, bytes("{\"error\":{\"message\":\"slow down\",\"code\":429}}")))
                .isInstanceOf(LlmException.class)
                .extracting(failure -> ((LlmException) failure).reason())
                .isEqualTo(Reason.RATE_LIMITED);
    }

    @Test
    void aMessageWithoutContentIsWrittenWithNull() {
        Completion completion = Completion.builder(Operation.CHAT)
                .choice(new io.balancedllm.completion.Choice(
                        0,
                        Message.builder(io.balancedllm.completion.Role.ASSISTANT)
                                .build(),
                        FinishReason.STOP,
                        null,
                        Map.of()))
                .build();
        assertThat(new String(OpenAiJson.writeCompletion(completion), StandardCharsets.UTF_8))
                .contains("\"content\":null");
    }

    private static void assertRequestSurvives(String json) throws IOException {
        CompletionRequest request = OpenAiJson.readRequest(Operation.CHAT, bytes(json));
        assertThat(request.maxTokens()).hasValue(7);
        assertThat(RoundTripTest.normal(Json.read(OpenAiJson.writeRequest(request))))
                .isEqualTo(RoundTripTest.normal(Json.read(json)));
    }

    private static CompletionRequest text(String json) {
        return OpenAiJson.readRequest(Operation.TEXT, bytes(json));
    }

    private static String write(CompletionRequest request) {
        return new String(OpenAiJson.writeRequest(request), StandardCharsets.UTF_8);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
