/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.ContentPart;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.Role;
import io.balancedllm.completion.ToolCall;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class BytesEncoderTest {
    private static final String SYSTEM = "You answer in verse. ".repeat(40);
    private static final String QUESTION = "What is the sea? ".repeat(40);
    private static final CallOptions SESSION =
            CallOptions.builder().tenant("t").session("s").build();

    private final PromptEncoder encoder = PromptEncoder.bytes();

    @Test
    void equalRequestsAreEqualBlocks() {
        PromptBlocks blocks = encode(chat().build());

        assertThat(hashes(encode(chat().build()))).isEqualTo(hashes(blocks));
        assertThat(hashes(encoder.encode(chat().build(), SESSION))).isEqualTo(hashes(blocks));
        assertThat(blocks.size()).isBetween(5, 6);
        assertThat(blocks.tokensPerBlock()).isEqualTo(64);
        assertThat(blocks.promptTokens()).isBetween((840 + 680) / 4, (840 + 680 + 60) / 4);
        assertThat(blocks.exact()).isFalse();
    }

    @Test
    void everythingAPromptIsMadeOfTellsPromptsApart() {
        assertShares(0, request -> request.model("other"));
        assertShares(0, request -> request.extra(Map.of("cache_salt", "tenant 7")));
        assertShares(0, request -> request.extra(Map.of("lora_path", "adapters/verse")));
        assertShares(0, request -> request.extra(Map.of("adapter_id", "verse")));
        assertShares(0, request -> request.extra(Map.of("chat_template_kwargs", Map.of("enable_thinking", false))));
        assertShares(0, request -> request.tool(Map.of("type", "function", "function", Map.of("name", "tide"))));
        assertThat(shared(
                        CompletionRequest.builder("m")
                                .system(SYSTEM)
                                .user(QUESTION)
                                .build(),
                        CompletionRequest.builder("m")
                                .user(SYSTEM)
                                .system(QUESTION)
                                .build()))
                .isZero();
        assertThat(shared(
                        CompletionRequest.builder("m").user(SYSTEM).build(),
                        CompletionRequest.builder("m").prompt(SYSTEM).build()))
                .isZero();
    }

    @Test
    void whatDoesNotChangeThePromptDoesNotTellPromptsApart() {
        int all = encode(chat().build()).size();

        assertShares(all, request -> request.temperature(0.3).maxTokens(7).seed(1));
        assertShares(all, request -> request.extra(Map.of("user", "somebody", "request_id", "r-17")));
    }

    @Test
    void notOnlyTheFirstMessageCounts() {
        CompletionRequest one = chat().user("and the wind?".repeat(100)).build();
        CompletionRequest other = chat().user("and the rain?".repeat(100)).build();

        assertThat(shared(one, other)).isEqualTo(encode(chat().build()).size());
        assertThat(encode(one).size()).isGreaterThan(10);
    }

    @Test
    void anyFieldOfAMessageTellsMessagesApart() {
        Message plain = Message.assistant(QUESTION);
        List<Message> variants = List.of(
                plain,
                plain.newBuilder().name("n").build(),
                plain.newBuilder().reasoning("n").build(),
                plain.newBuilder().refusal("n").build(),
                plain.newBuilder().toolCallId("n").build(),
                plain.newBuilder().toolCall(new ToolCall("", "n", "")).build(),
                plain.newBuilder().toolCall(new ToolCall("", "", "n")).build(),
                plain.newBuilder().toolCall(new ToolCall("n", "", "")).build(),
                plain.newBuilder().extra(Map.of("n", 1)).build(),
                plain.newBuilder().extra(Map.of("n", "1")).build(),
                plain.newBuilder().extra(Map.of("n", List.of(1))).build(),
                plain.newBuilder().extra(Map.of("n", Map.of("1", true))).build(),
                image("https://a/1", null),
                image("https://a/2", null),
                image("https://a/2", "low"));
        Message rest = Message.user("x".repeat(600));

        assertThat(variants.stream()
                        .map(message -> encode(CompletionRequest.builder("m")
                                        .message(message)
                                        .message(rest)
                                        .build())
                                .hash(4))
                        .distinct())
                .hasSameSizeAs(variants);
    }

    @Test
    void textInOnePartIsTheSameAsPlainText() {
        Message parts =
                Message.builder(Role.USER).part(new ContentPart.Text(QUESTION)).build();

        assertThat(hashes(encode(CompletionRequest.builder("m").message(parts).build())))
                .isEqualTo(hashes(
                        encode(CompletionRequest.builder("m").user(QUESTION).build())));
    }

    @Test
    void textsThatBeginAlikeShareTheirBeginning() {
        CompletionRequest one = CompletionRequest.of("a".repeat(1_000) + "b");
        CompletionRequest other = CompletionRequest.of("a".repeat(2_000));

        assertThat(shared(one, other)).isEqualTo(3);
        assertThat(encode(one).promptTokens()).isEqualTo(251);
    }

    @Test
    void theNextTurnOfAConversationIsTheSameWithAndWithoutMemory() {
        Random random = new Random(3);
        for (int conversation = 0; conversation < 20; conversation++) {
            CompletionRequest.Builder request = chat();
            for (int turn = 0; turn < 20; turn++) {
                request.user(text(random));
                CompletionRequest asked = request.build();
                if (turn % 7 == 3) {
                    // The same session forks: another last message, nothing in common beyond it.
                    encoder.encode(request.build().newBuilder().user("fork").build(), SESSION);
                }
                if (turn % 5 == 4) {
                    asked = asked.newBuilder().tool(Map.of("name", "t" + turn)).build();
                }
                PromptBlocks remembered = encoder.encode(asked, SESSION);
                PromptBlocks fresh = PromptEncoder.bytes().encode(asked, CallOptions.DEFAULT);

                assertThat(hashes(remembered)).isEqualTo(hashes(fresh));
                assertThat(remembered.promptTokens()).isEqualTo(fresh.promptTokens());
                request.assistant(text(random));
            }
        }
    }

    @Test
    void theNextTurnHashesOnlyWhatIsNew() {
        List<Message> messages = List.of(Message.system(SYSTEM), Message.user(QUESTION));
        BlockChain chain = new BlockChain(256, 1);
        PromptBytes bytes = new PromptBytes(chain);
        messages.forEach(bytes::message);
        SessionMemo.Turn turn = new SessionMemo.Turn(1, List.of(), messages, chain);
        List<Message> equal = List.of(Message.system(SYSTEM), Message.user(QUESTION), Message.assistant("the"));

        assertThat(turn.isBeginningOf(1, List.of(), equal)).isTrue();
        assertThat(turn.resume(256).bytes()).isEqualTo(chain.bytes());
        assertThat(turn.isBeginningOf(2, List.of(), equal)).isFalse();
        assertThat(turn.isBeginningOf(1, List.of(Map.of("name", "t")), equal)).isFalse();
        assertThat(turn.isBeginningOf(1, List.of(), messages.subList(0, 1))).isFalse();
        assertThat(turn.isBeginningOf(1, List.of(), List.of(messages.get(0), Message.user("?"))))
                .isFalse();
    }

    @Test
    void aSessionOfAnotherTenantOrForgedChangesNothing() {
        CompletionRequest mine = chat().build();
        CompletionRequest theirs =
                CompletionRequest.builder("m").system("other").user(QUESTION).build();
        encoder.encode(mine, SESSION);

        assertThat(hashes(encoder.encode(theirs, SESSION))).isEqualTo(hashes(encode(theirs)));
        assertThat(hashes(encoder.encode(
                        mine, SESSION.newBuilder().tenant("other").build())))
                .isEqualTo(hashes(encode(mine)));
    }

    @Test
    void blocksMayBeSmallerForModelsWithASmallContext() {
        PromptBlocks small = PromptEncoder.bytes(16).encode(chat().build(), CallOptions.DEFAULT);
        PromptBlocks usual = encode(chat().build());

        assertThat(small.tokensPerBlock()).isEqualTo(16);
        assertThat(small.promptTokens()).isEqualTo(usual.promptTokens());
        assertThat(small.size()).isBetween(4 * usual.size(), 4 * usual.size() + 3);
        assertThatThrownBy(() -> PromptEncoder.bytes(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokensPerBlock must be 1 to 4096, got 0");
    }

    @Test
    void aMillionSessionsAreBoundedInMemory() {
        SessionMemo memo = new SessionMemo();
        List<Message> messages = List.of(Message.user("hello"));
        BlockChain chain = new BlockChain(256, 1);
        new PromptBytes(chain).message(messages.get(0));
        SessionMemo.Turn turn = new SessionMemo.Turn(1, List.of(), messages, chain);
        for (int i = 0; i < 1_000_000; i++) {
            memo.remember(new SessionMemo.Key("t", "session " + i), turn);
        }

        assertThat(memo.sessions()).isEqualTo(SessionMemo.MAX_SESSIONS);
        assertThat(memo.lastTurn(new SessionMemo.Key("t", "session 999999"))).isSameAs(turn);
        assertThat(memo.lastTurn(new SessionMemo.Key("t", "session 0"))).isNull();
    }

    @Test
    void longConversationsAndTheirPicturesAreBoundedInMemory() {
        SessionMemo memo = new SessionMemo();
        for (int i = 0; i < 100; i++) {
            List<Message> messages = List.of(image("data:" + "x".repeat(1_000_000), null));
            BlockChain chain = new BlockChain(256, 1);
            new PromptBytes(chain).message(messages.get(0));
            memo.remember(new SessionMemo.Key("t", "s" + i), new SessionMemo.Turn(1, List.of(), messages, chain));
            assertThat(memo.bytes()).isLessThanOrEqualTo(SessionMemo.MAX_BYTES);
        }

        assertThat(memo.sessions()).isBetween(10, 32);
    }

    @Test
    void aPromptOfTenMegabytesIsEncodedAndNotKept() {
        CompletionRequest request = CompletionRequest.builder("m")
                .user("0123456789".repeat(1 << 20))
                .build();
        PromptBlocks blocks = encoder.encode(request, SESSION);

        assertThat(blocks.size()).isEqualTo(40_960);
        assertThat(hashes(encoder.encode(request, SESSION))).isEqualTo(hashes(blocks));
        assertThat(SessionMemo.MAX_TURN_BYTES).isLessThan(10 << 20);
    }

    @Test
    void tokenIdsAreExact() {
        int[] ids = new Random(1).ints(200, 0, 50_000).toArray();
        int[] longer = Arrays.copyOf(ids, 300);
        PromptBlocks blocks = encode(tokens(ids));

        assertThat(blocks.exact()).isTrue();
        assertThat(blocks.promptTokens()).isEqualTo(200);
        assertThat(blocks.size()).isEqualTo(3);
        assertThat(shared(tokens(ids), tokens(longer))).isEqualTo(3);
    }

    @Test
    void anyTextOfAnyScriptIsEncoded() {
        String text = "sea, m\u00ear, \u6d77, \ud83c\udf0a, half a pair \ud83c. ".repeat(30);
        PromptBlocks blocks = encode(CompletionRequest.of(text));

        assertThat(blocks.promptTokens()).isGreaterThan(text.length() / 4);
        assertThat(shared(CompletionRequest.of(text), CompletionRequest.of(text + "\u6d77")))
                .isEqualTo(blocks.size());
    }

    @Test
    void aValueThatSaysTheSameInAnotherOrderIsTheSameKey() {
        Map<String, Object> one = new LinkedHashMap<>();
        one.put("a", 1);
        one.put("b", List.of("x", true));
        Map<String, Object> other = new LinkedHashMap<>();
        other.put("b", List.of("x", true));
        other.put("a", 1);

        assertThat(PromptBytes.key(
                        chat().extra(Map.of("chat_template_kwargs", one)).build()))
                .isEqualTo(PromptBytes.key(
                        chat().extra(Map.of("chat_template_kwargs", other)).build()));
    }

    private static CompletionRequest.Builder chat() {
        return CompletionRequest.builder("m").system(SYSTEM).user(QUESTION);
    }

    private static CompletionRequest tokens(int... ids) {
        return CompletionRequest.builder("m").prompt(new Prompt.Tokens(ids)).build();
    }

    private static Message image(String url, @Nullable String detail) {
        return Message.builder(Role.ASSISTANT)
                .part(new ContentPart.Text(QUESTION))
                .part(new ContentPart.Image(url, detail))
                .build();
    }

    private static String text(Random random) {
        return "word \u6d77 ".repeat(random.nextInt(200));
    }

    private PromptBlocks encode(CompletionRequest request) {
        return encoder.encode(request, CallOptions.DEFAULT);
    }

    private void assertShares(int blocks, UnaryOperator<CompletionRequest.Builder> change) {
        assertThat(shared(chat().build(), change.apply(chat()).build())).isEqualTo(blocks);
    }

    private int shared(CompletionRequest one, CompletionRequest other) {
        PromptBlocks a = encode(one);
        PromptBlocks b = encode(other);
        int shared = 0;
        while (shared < Math.min(a.size(), b.size()) && a.hash(shared) == b.hash(shared)) {
            shared++;
        }
        return shared;
    }

    private static List<Long> hashes(PromptBlocks blocks) {
        return IntStream.range(0, blocks.size()).mapToObj(blocks::hash).toList();
    }
}
