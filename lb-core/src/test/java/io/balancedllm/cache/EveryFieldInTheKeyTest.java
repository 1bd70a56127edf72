/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.ContentPart;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.Role;
import io.balancedllm.completion.SamplingOptions;
import io.balancedllm.completion.ToolCall;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** A field that is added to a request fails here until it is decided, and shown, whether it counts for the cache. */
class EveryFieldInTheKeyTest {
    private static final String QUESTION = "What is the capital?";
    private static final ToolCall CALL = new ToolCall("1", "f", "{}", Map.of());
    private static final Message BEFORE =
            Message.builder(Role.ASSISTANT).content("Hello").toolCall(CALL).build();

    private static CompletionRequest.Builder question() {
        return CompletionRequest.builder("chat").message(BEFORE).user(QUESTION);
    }

    private static CompletionRequest.Builder after(Message before) {
        return CompletionRequest.builder("chat").message(before).user(QUESTION);
    }

    private static CompletionRequest.Builder after(ContentPart part) {
        return after(Message.builder(Role.USER).part(part).build());
    }

    private static CompletionRequest.Builder after(ToolCall call) {
        return after(
                Message.builder(Role.ASSISTANT).content("Hello").toolCall(call).build());
    }

    private static CompletionRequest.Builder sampled(SamplingOptions.Builder sampling) {
        return question().sampling(sampling.build());
    }

    private static String partition(CompletionRequest.Builder request) {
        return partition(request, CallOptions.builder());
    }

    private static String partition(CompletionRequest.Builder request, CallOptions.Builder options) {
        return CacheKey.of(request.build(), options.build(), CacheScope.TENANT).partition();
    }

    /** The variants name all fields of a type, and each makes a partition of its own. */
    private static void counts(
            Class<?> type, CompletionRequest.Builder base, Map<String, CompletionRequest.Builder> variants) {
        assertThat(variants.keySet())
                .as("fields of " + type.getSimpleName())
                .containsExactlyInAnyOrderElementsOf(fields(type));
        variants.forEach(
                (field, variant) -> assertThat(partition(variant)).as(field).isNotEqualTo(partition(base)));
        assertThat(variants.values().stream().map(EveryFieldInTheKeyTest::partition))
                .doesNotHaveDuplicates();
    }

    private static Set<String> fields(Class<?> type) {
        return Arrays.stream(type.getDeclaredFields())
                .filter(field -> !Modifier.isStatic(field.getModifiers()) && !field.isSynthetic())
                .map(Field::getName)
                .collect(Collectors.toSet());
    }

    @Test
    void allOfARequestCounts() {
        counts(
                CompletionRequest.class,
                question(),
                Map.ofEntries(
                        Map.entry("model", question().model("other")),
                        Map.entry("prompt", CompletionRequest.builder("chat").user(QUESTION)),
                        Map.entry("sampling", question().temperature(0.5)),
                        Map.entry("maxTokens", question().maxTokens(3)),
                        Map.entry("stop", question().stop("x")),
                        Map.entry("n", question().n(2)),
                        Map.entry("topLogprobs", question().topLogprobs(1)),
                        Map.entry("tools", question().tool(Map.of("type", "function"))),
                        Map.entry("toolChoice", question().toolChoice("none")),
                        Map.entry("responseFormat", question().responseFormat(Map.of("type", "json_object"))),
                        Map.entry("extra", question().extra(Map.of("adapter", "a")))));
    }

    @Test
    void allOfTheSamplingCounts() {
        counts(
                SamplingOptions.class,
                question(),
                Map.of(
                        "temperature", sampled(SamplingOptions.builder().temperature(0.5)),
                        "topP", sampled(SamplingOptions.builder().topP(0.5)),
                        "topK", sampled(SamplingOptions.builder().topK(5)),
                        "minP", sampled(SamplingOptions.builder().minP(0.5)),
                        "repetitionPenalty", sampled(SamplingOptions.builder().repetitionPenalty(0.5)),
                        "presencePenalty", sampled(SamplingOptions.builder().presencePenalty(0.5)),
                        "frequencyPenalty", sampled(SamplingOptions.builder().frequencyPenalty(0.5)),
                        "seed", sampled(SamplingOptions.builder().seed(5))));
    }

    @Test
    void allOfAMessageBeforeTheQuestionCounts() {
        counts(
                Message.class,
                question(),
                Map.of(
                        "role",
                                after(Message.builder(Role.SYSTEM)
                                        .content("Hello")
                                        .toolCall(CALL)
                                        .build()),
                        "content", after(BEFORE.newBuilder().content("Hello!").build()),
                        "parts", after(new ContentPart.Text("Hello")),
                        "name", after(BEFORE.newBuilder().name("n").build()),
                        "toolCalls", after(BEFORE.newBuilder().toolCall(CALL).build()),
                        "toolCallId", after(BEFORE.newBuilder().toolCallId("2").build()),
                        "reasoning", after(BEFORE.newBuilder().reasoning("r").build()),
                        "refusal", after(BEFORE.newBuilder().refusal("r").build()),
                        "extra", after(BEFORE.newBuilder().extra(Map.of("x", 1)).build())));
        counts(
                ToolCall.class,
                question(),
                Map.of(
                        "id", after(new ToolCall("2", "f", "{}", Map.of())),
                        "name", after(new ToolCall("1", "g", "{}", Map.of())),
                        "arguments", after(new ToolCall("1", "f", "{ }", Map.of())),
                        "extra", after(new ToolCall("1", "f", "{}", Map.of("x", 1)))));
    }

    @Test
    void allOfTheContentOfAMessageCounts() {
        counts(
                ContentPart.Text.class,
                after(new ContentPart.Text("a")),
                Map.of("value", after(new ContentPart.Text("b"))));
        counts(
                ContentPart.Image.class,
                after(new ContentPart.Image("data:x", null)),
                Map.of(
                        "url", after(new ContentPart.Image("data:y", null)),
                        "detail", after(new ContentPart.Image("data:x", "high"))));
        counts(
                ContentPart.Raw.class,
                after(new ContentPart.Raw(Map.of("type", "audio"))),
                Map.of("json", after(new ContentPart.Raw(Map.of("type", "video")))));
        assertThat(ContentPart.class.getPermittedSubclasses()).hasSize(3);
    }

    @Test
    void allOfAPromptThatIsNoConversationCounts() {
        counts(
                Prompt.Texts.class,
                prompt(new Prompt.Texts(List.of("a", "b"))),
                Map.of("texts", prompt(new Prompt.Texts(List.of("ab")))));
        assertThat(partition(prompt(new Prompt.Tokens(1, 2)))).isNotEqualTo(partition(prompt(new Prompt.Tokens(12))));
        assertThat(partition(prompt(new Prompt.Text("a"))))
                .isEqualTo(partition(prompt(new Prompt.Text("b"))))
                .isNotEqualTo(partition(CompletionRequest.builder("chat").user("a")));
        assertThat(Prompt.class.getPermittedSubclasses()).hasSize(4);
    }

    private static CompletionRequest.Builder prompt(Prompt prompt) {
        return CompletionRequest.builder("chat").prompt(prompt);
    }

    /** What only says how a call is served keeps nobody from an answer; for whom it is made and under which name does. */
    @Test
    void ofTheOptionsOfACallTheTenantAndTheNamespaceCount() {
        Map<String, CallOptions.Builder> serving = Map.of(
                "session", CallOptions.builder().session("s"),
                "affinityKey", CallOptions.builder().affinityKey("a"),
                "clientAddress", CallOptions.builder().clientAddress("1.2.3.4"),
                "timeout", CallOptions.builder().timeout(Duration.ofSeconds(1)),
                "priority", CallOptions.builder().priority(1),
                "retryable", CallOptions.builder().retryable(false),
                "explain", CallOptions.builder().explain(true));
        Map<String, CacheControl.Builder> control = Map.of(
                "mode", CacheControl.builder().mode(CacheControl.Mode.REFRESH),
                "cacheAnyTemperature", CacheControl.builder().cacheAnyTemperature(true),
                "timeToLive", CacheControl.builder().timeToLive(Duration.ofSeconds(1)));
        String nobody = partition(question());

        assertThat(fields(CallOptions.class))
                .containsExactlyInAnyOrderElementsOf(with(serving.keySet(), "tenant", "cache"));
        assertThat(fields(CacheControl.class)).containsExactlyInAnyOrderElementsOf(with(control.keySet(), "namespace"));
        assertThat(serving.values())
                .allSatisfy(
                        options -> assertThat(partition(question(), options)).isEqualTo(nobody));
        assertThat(control.values())
                .allSatisfy(cache -> assertThat(
                                partition(question(), CallOptions.builder().cache(cache.build())))
                        .isEqualTo(nobody));
        assertThat(partition(question(), CallOptions.builder().tenant("t"))).isNotEqualTo(nobody);
        assertThat(partition(
                        question(),
                        CallOptions.builder()
                                .cache(CacheControl.builder().namespace("n").build())))
                .isNotEqualTo(nobody);
    }

    private static List<String> with(Set<String> names, String... others) {
        return java.util.stream.Stream.concat(names.stream(), Arrays.stream(others))
                .toList();
    }
}
