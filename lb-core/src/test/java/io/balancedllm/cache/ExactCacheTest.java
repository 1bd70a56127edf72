/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionCollector;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Role;
import io.balancedllm.completion.ToolCall;
import io.balancedllm.completion.Usage;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ExactCacheTest {
    private final AtomicLong now = new AtomicLong(Long.MAX_VALUE - 10);
    private final ExactCache cache = new ExactCache(10_000, Duration.ofMinutes(1), now::get);

    private static CacheKey key(String text) {
        return key(text, CacheControl.DEFAULT);
    }

    private static CacheKey key(String text, CacheControl control) {
        return CacheKey.of(
                CompletionRequest.of(text), CallOptions.builder().cache(control).build(), CacheScope.TENANT);
    }

    private static Completion answer(String text) {
        return answer(Message.assistant(text), FinishReason.STOP);
    }

    private static Completion answer(Message message, @Nullable FinishReason reason) {
        return Completion.builder(Operation.CHAT)
                .id("id")
                .model("m")
                .choice(new Choice(0, message, reason, null, Map.of()))
                .usage(Usage.builder(3, 5).cachedTokens(2).build())
                .build();
    }

    @Test
    void whatWasStoredIsFoundWithItsAge() {
        assertThat(cache.find(key("q"))).isEmpty();
        assertThat(cache.store(key("q"), answer("a"))).isTrue();
        now.addAndGet(1_000);

        assertThat(cache.find(key("q"))).hasValueSatisfying(found -> {
            assertThat(found.answer().completion().text()).isEqualTo("a");
            assertThat(found.age()).isEqualTo(Duration.ofNanos(1_000));
        });
        assertThat(cache.find(key("other"))).isEmpty();
    }

    @Test
    void theLeastRecentlyUsedGoesFirstWhenTheBytesAreUsedUp() {
        long each = StoredAnswer.of(answer("a")).orElseThrow().bytes() + 256;
        int room = (int) (10_000 / each);
        for (int i = 0; i < room; i++) {
            cache.store(key("q" + i), answer("a"));
        }
        assertThat(cache.size()).isEqualTo(room);
        cache.find(key("q0"));
        cache.store(key("new"), answer("a"));

        assertThat(cache.bytes()).isLessThanOrEqualTo(10_000);
        assertThat(cache.find(key("q0"))).isPresent();
        assertThat(cache.find(key("q1"))).isEmpty();
        assertThat(cache.find(key("new"))).isPresent();
    }

    @Test
    void anAnswerLargerThanTheCacheIsNotStoredAndEvictsNothing() {
        cache.store(key("q"), answer("a"));

        assertThat(cache.store(key("big"), answer("x".repeat(10_000)))).isFalse();
        assertThat(cache.find(key("q"))).isPresent();
    }

    @Test
    void oneRequestHasOneEntryAndItsBytesAreCountedOnce() {
        cache.store(key("q"), answer("a"));
        long bytes = cache.bytes();
        cache.store(key("q"), answer("b"));

        assertThat(cache.size()).isEqualTo(1);
        assertThat(cache.bytes()).isEqualTo(bytes);
        assertThat(cache.find(key("q")).orElseThrow().answer().completion().text())
                .isEqualTo("b");
    }

    @Test
    void anAnswerExpiresAfterTheTimeOfTheCacheOrOfItsCall() {
        cache.store(key("q"), answer("a"));
        CacheKey brief = key(
                "brief",
                CacheControl.builder().timeToLive(Duration.ofSeconds(1)).build());
        cache.store(brief, answer("a"));

        now.addAndGet(Duration.ofSeconds(1).toNanos());
        assertThat(cache.find(brief)).isEmpty();
        assertThat(cache.find(key("q"))).isPresent();
        now.addAndGet(Duration.ofSeconds(59).toNanos());
        assertThat(cache.find(key("q"))).isEmpty();
        assertThat(cache.bytes()).isZero();
    }

    @Test
    void onlyAnswersTheModelEndedItselfAreStored() {
        Message calling = Message.builder(Role.ASSISTANT)
                .content("I will look")
                .toolCall(new ToolCall("1", "f", "{}"))
                .build();
        Message refusing =
                Message.builder(Role.ASSISTANT).content("a").refusal("no").build();

        assertThat(cache.store(key("q"), answer(Message.assistant("a"), null))).isFalse();
        assertThat(cache.store(key("q"), answer(Message.assistant("a"), FinishReason.LENGTH)))
                .isFalse();
        assertThat(cache.store(key("q"), answer(Message.assistant("a"), FinishReason.CONTENT_FILTER)))
                .isFalse();
        assertThat(cache.store(key("q"), answer(Message.assistant(""), FinishReason.STOP)))
                .isFalse();
        assertThat(cache.store(key("q"), answer(calling, FinishReason.STOP))).isFalse();
        assertThat(cache.store(key("q"), answer(refusing, FinishReason.STOP))).isFalse();
        assertThat(cache.store(key("q"), Completion.builder(Operation.CHAT).build()))
                .isFalse();
        assertThat(cache.size()).isZero();
    }

    @Test
    void aReplayIsAStreamOfWordsThatMakesTheAnswerAgainMarkedAsCached() {
        Message message = Message.builder(Role.ASSISTANT)
                .content("Once upon a time  there lived\n a \uD83D\uDE00" + "\uD83D\uDE00".repeat(40) + " end.")
                .reasoning("Let me think")
                .build();
        StoredAnswer stored =
                StoredAnswer.of(answer(message, FinishReason.STOP)).orElseThrow();
        List<CompletionChunk> chunks = stored.chunks();
        CompletionCollector collector = new CompletionCollector(Operation.CHAT);
        chunks.forEach(collector::add);

        assertThat(chunks).hasSizeGreaterThan(10);
        assertThat(chunks).noneMatch(chunk -> chunk.text().length() > 18);
        assertThat(chunks)
                .allSatisfy(chunk ->
                        assertThat(chunk.text()).doesNotStartWith("\uDE00").doesNotEndWith("\uD83D"));
        assertThat(collector.completion()).isEqualTo(stored.completion());
        assertThat(stored.completion().text()).isEqualTo(message.text());
        assertThat(stored.completion().usage().orElseThrow().extra()).containsEntry(StoredAnswer.CACHED_FIELD, true);
        assertThat(stored.completion().usage().orElseThrow().promptTokens()).isEqualTo(3);
    }
}
