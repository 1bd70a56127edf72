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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CacheKeyTest {
    private static final String QUESTION = "What is the capital of France?";

    private static CompletionRequest.Builder question() {
        return CompletionRequest.builder("chat")
                .system("Be brief.")
                .user("Hi")
                .assistant("Hello")
                .user(QUESTION)
                .temperature(0);
    }

    private static CacheKey key(CompletionRequest.Builder request) {
        return CacheKey.of(request.build(), CallOptions.DEFAULT, CacheScope.TENANT);
    }

    private static CacheKey key(String tenant, CacheScope scope) {
        return CacheKey.of(
                question().build(), CallOptions.builder().tenant(tenant).build(), scope);
    }

    static Stream<CompletionRequest.Builder> everythingElseThatCanDiffer() {
        return Stream.of(
                question().model("other"),
                question().temperature(0.1),
                question().seed(1),
                question().maxTokens(10),
                question().stop("\n"),
                question().n(2),
                question().topLogprobs(1),
                question().tool(Map.of("type", "function")),
                question().toolChoice("none"),
                question().responseFormat(Map.of("type", "json_object")),
                question().extra(Map.of("adapter", "a")),
                CompletionRequest.builder("chat").user(QUESTION).temperature(0),
                CompletionRequest.builder("chat")
                        .system("Be brief!")
                        .user("Hi")
                        .assistant("Hello")
                        .user(QUESTION)
                        .temperature(0),
                CompletionRequest.builder("chat")
                        .system("Be brief.")
                        .user("Hi")
                        .assistant("Hello.")
                        .user(QUESTION)
                        .temperature(0),
                CompletionRequest.builder("chat").prompt(QUESTION).temperature(0));
    }

    @ParameterizedTest
    @MethodSource("everythingElseThatCanDiffer")
    void whateverElseDiffersMakesAnotherPartition(CompletionRequest.Builder other) {
        assertThat(key(other).partition()).isNotEqualTo(key(question()).partition());
        assertThat(key(other)).isNotEqualTo(key(question()));
    }

    @Test
    void theLastUserTextAloneMayDifferInAPartition() {
        CompletionRequest.Builder other = CompletionRequest.builder("chat")
                .system("Be brief.")
                .user("Hi")
                .assistant("Hello")
                .user("And of Spain?")
                .temperature(0);

        assertThat(key(other).partition()).isEqualTo(key(question()).partition());
        assertThat(key(other)).isNotEqualTo(key(question()));
        assertThat(key(other).text()).hasValue("And of Spain?");
    }

    @Test
    void tenantsAndNamespacesAreApartUnlessTheScopeIsGlobal() {
        CacheKey nobody = key(question());
        CacheKey alice = key("alice", CacheScope.TENANT);
        CacheKey bob = key("bob", CacheScope.TENANT);
        CacheKey namespace = CacheKey.of(
                question().build(),
                CallOptions.builder()
                        .cache(CacheControl.builder().namespace("faq").build())
                        .build(),
                CacheScope.TENANT);

        assertThat(Stream.of(nobody, alice, bob, namespace).map(CacheKey::partition))
                .doesNotHaveDuplicates();
        assertThat(key("alice", CacheScope.GLOBAL)).isEqualTo(key("bob", CacheScope.GLOBAL));
        assertThat(key("alice", CacheScope.GLOBAL)).isNotEqualTo(nobody);
    }

    @Test
    void theOrderOfMembersOfAnObjectMeansNothing() {
        Map<String, Object> one = new LinkedHashMap<>(Map.of("a", 1));
        one.put("b", 2);
        Map<String, Object> other = new LinkedHashMap<>(Map.of("b", 2));
        other.put("a", 1);

        assertThat(key(question().responseFormat(one))).isEqualTo(key(question().responseFormat(other)));
    }

    @Test
    void textsThatAnEncoderWouldConfuseHaveTheirOwnKeys() {
        assertThat(key(CompletionRequest.builder().prompt("a\uD800")))
                .isNotEqualTo(key(CompletionRequest.builder().prompt("a\uD801")))
                .isNotEqualTo(key(CompletionRequest.builder().prompt("a?")));
        assertThat(key(CompletionRequest.builder().stop("ab", "c").prompt("x")))
                .isNotEqualTo(key(CompletionRequest.builder().stop("a", "bc").prompt("x")));
    }

    @Test
    void thereIsNoTextWhereOneWouldNotStandForTheQuestion() {
        CompletionRequest.Builder afterTheTool = question()
                .message(Message.builder(Role.ASSISTANT).content("calling").build())
                .message(Message.tool("1", "42"));
        Message twoTexts = Message.builder(Role.USER)
                .part(new ContentPart.Text("a"))
                .part(new ContentPart.Text("b"))
                .build();
        Message image = Message.builder(Role.USER)
                .part(new ContentPart.Image("data:x", null))
                .part(new ContentPart.Text("What is this?"))
                .build();
        Message otherImage = Message.builder(Role.USER)
                .part(new ContentPart.Image("data:y", null))
                .part(new ContentPart.Text("What is this?"))
                .build();

        assertThat(key(afterTheTool).text()).isEmpty();
        assertThat(key(CompletionRequest.builder().message(twoTexts)).text()).isEmpty();
        assertThat(key(CompletionRequest.builder().prompt(new Prompt.Tokens(1, 2)))
                        .text())
                .isEmpty();
        assertThat(key(CompletionRequest.builder().message(image)).text()).hasValue("What is this?");
        assertThat(key(CompletionRequest.builder().message(image)).partition())
                .isNotEqualTo(
                        key(CompletionRequest.builder().message(otherImage)).partition());
    }

    /** Two requests have the same key exactly when they are equal, over random requests from a few values each. */
    @Test
    void keysAreEqualExactlyWhenRequestsAre() {
        Random random = new Random(7);
        List<CompletionRequest> requests =
                Stream.generate(() -> random(random)).limit(400).toList();
        for (CompletionRequest one : requests) {
            for (CompletionRequest other : requests) {
                boolean sameKey = Objects.equals(
                        CacheKey.of(one, CallOptions.DEFAULT, CacheScope.TENANT),
                        CacheKey.of(other, CallOptions.DEFAULT, CacheScope.TENANT));
                assertThat(sameKey).isEqualTo(one.equals(other));
            }
            random.nextInt();
        }
    }

    private static CompletionRequest random(Random random) {
        CompletionRequest.Builder request = CompletionRequest.builder("m" + random.nextInt(2));
        if (random.nextBoolean()) {
            request.system("s" + random.nextInt(2));
        }
        for (int i = random.nextInt(2); i > 0; i--) {
            request.user("h" + random.nextInt(2)).assistant("a");
        }
        request.user("q" + random.nextInt(2));
        if (random.nextBoolean()) {
            request.maxTokens(random.nextInt(2));
        }
        if (random.nextBoolean()) {
            request.extra(Map.of("x", random.nextInt(2)));
        }
        return request.build();
    }
}
