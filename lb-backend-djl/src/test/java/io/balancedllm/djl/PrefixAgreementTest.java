/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.alone;
import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Prompt;
import io.balancedllm.endpoint.KvListener;
import io.balancedllm.prefix.PromptBlocks;
import io.balancedllm.prefix.PromptEncoder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The engine's prefix cache, what it tells of it, and what the router sees of the same prompts. */
class PrefixAgreementTest {
    private static final EngineOptions ROOMY = new EngineOptions(8, 64, 1024, 256);

    @Test
    void theRouterExpectsExactlyTheTokensThatTheEngineThenFinds() {
        try (Stepped engine = new Stepped(ROOMY)) {
            PromptEncoder encoder = engine.backend.promptEncoder();
            Told told = new Told();
            engine.backend.tellKvEvents(told);
            for (int round = 0; round < 3; round++) {
                for (int i = 0; i < 6; i++) {
                    int[] prompt = prompt(20 + 17 * i, 1);
                    if (i % 2 == 1) {
                        prompt[30] = 499;
                    }
                    CompletionRequest request = greedy(prompt, 8);
                    engine.step(1); // the listener is told
                    PromptBlocks blocks = encoder.encode(request, CallOptions.DEFAULT);
                    int expected = blocks.tokensIn(told.match(blocks));
                    assertThat(engine.cached(request))
                            .as("round %d, prompt %d", round, i)
                            .isEqualTo(expected);
                }
            }
            assertThat(told.blocks).isNotEmpty();
        }
    }

    @Test
    void theRouterSeesChatsAsTheTemplateRendersThem() {
        try (Stepped engine = new Stepped(ROOMY)) {
            PromptEncoder encoder = engine.backend.promptEncoder("chat");
            CompletionRequest turn = CompletionRequest.builder("chat")
                    .system("ox and town ".repeat(6))
                    .user("the town")
                    .build();
            CompletionRequest next = CompletionRequest.builder("chat")
                    .system("ox and town ".repeat(6))
                    .user("another town that is further away")
                    .build();
            PromptBlocks first = encoder.encode(turn, CallOptions.DEFAULT);
            PromptBlocks second = encoder.encode(next, CallOptions.DEFAULT);
            assertThat(first.exact()).isTrue();
            assertThat(first.ofTokens()).isTrue();
            assertThat(first.tokensPerBlock()).isEqualTo(PrefixCache.BLOCK_TOKENS);
            assertThat(second.hash(0)).isEqualTo(first.hash(0));
            assertThat(second.hash(second.size() - 1)).isNotEqualTo(first.hash(first.size() - 1));
        }
    }

    @Test
    void whatIsNotForThisModelIsEncodedAsText() {
        try (Stepped engine = new Stepped(ROOMY)) {
            PromptEncoder encoder = engine.backend.promptEncoder();
            for (CompletionRequest other : List.of(
                    CompletionRequest.builder("other").prompt("the town").build(),
                    CompletionRequest.of("the town ".repeat(1_000)),
                    CompletionRequest.builder()
                            .prompt(new Prompt.Texts(List.of("ox", "town")))
                            .build())) {
                PromptBlocks blocks = encoder.encode(other, CallOptions.DEFAULT);
                assertThat(blocks.ofTokens()).isFalse();
                assertThat(blocks.promptTokens()).isPositive();
            }
        }
    }

    @Test
    void promptsOfDifferentSaltsShareNothing() {
        try (Stepped engine = new Stepped(ROOMY)) {
            CompletionRequest plain = greedy(prompt(50, 1), 2);
            CompletionRequest salted = plain.newBuilder()
                    .extra(Map.of("ignore_eos", true, "cache_salt", "tenant-7"))
                    .build();
            assertThat(engine.cached(plain)).isZero();
            assertThat(engine.cached(salted)).isZero();
            assertThat(engine.cached(salted)).isEqualTo(48);
            PromptEncoder encoder = engine.backend.promptEncoder();
            assertThat(encoder.encode(salted, CallOptions.DEFAULT).hash(0))
                    .isNotEqualTo(encoder.encode(plain, CallOptions.DEFAULT).hash(0));
        }
    }

    @Test
    void collidingHashesDoNotMixPrompts() {
        try (Gpt2Model model = Golden.model(Stepped.MODEL, KernelChoice.PLAIN_JAVA)) {
            PrefixCache prefixes = new PrefixCache();
            prefixes.limit(1024);
            PromptBlocks same = PromptBlocks.exact(new long[] {7, 8}, 16, 33);
            int[] one = prompt(33, 1);
            int[] other = prompt(33, 2);
            try (Kernel.KvCache cache = model.kernel().allocate(64)) {
                model.kernel().step(List.of(new Kernel.Slice(cache, one, true)));
                prefixes.save(one, same, cache);
            }
            assertThat(prefixes.match(one, same)).isEqualTo(32);
            assertThat(prefixes.match(other, same)).isZero();
            int[] sameEnd = other.clone();
            System.arraycopy(one, 16, sameEnd, 16, 16);
            try (Kernel.KvCache cache = model.kernel().allocate(64)) {
                model.kernel().step(List.of(new Kernel.Slice(cache, sameEnd, true)));
                prefixes.save(Arrays.copyOf(sameEnd, 33), PromptBlocks.exact(new long[] {7}, 16, 33), cache);
            }
            assertThat(prefixes.match(sameEnd, same))
                    .as("the second block follows another first one")
                    .isEqualTo(16);
            prefixes.limit(0);
        }
    }

    @Test
    void aListenerThatComesLateIsToldWhatIsThereAndAtTheEndThatNothingIs() {
        Told late = new Told();
        Told early = new Told();
        try (Stepped engine = new Stepped(new EngineOptions(4, 8, 256, 256))) {
            engine.backend.tellKvEvents(early);
            for (int i = 0; i < 6; i++) {
                engine.run(greedy(prompt(60, i), 10));
            }
            engine.backend.tellKvEvents(late);
            engine.step(1);
            assertThat(late.blocks).isNotEmpty().isEqualTo(early.blocks);
            assertThat(early.removed).as("memory for 256 tokens holds not all").isPositive();
            assertThat(late.parents).isEqualTo(early.parents());
            engine.run(greedy(prompt(60, 9), 10));
            assertThat(late.blocks).isEqualTo(early.blocks);
        }
        assertThat(early.blocks).isEmpty();
        assertThat(late.blocks).isEmpty();
    }

    @Test
    void whoEndsTheTellingOrFailsIsToldNothingMore() {
        try (Stepped engine = new Stepped(ROOMY)) {
            Told told = new Told();
            Runnable end = engine.backend.tellKvEvents(told).orElseThrow();
            engine.backend.tellKvEvents(new KvListener() {
                @Override
                public void stored(long[] hashes, long parent, int tokensPerBlock) {
                    throw new IllegalStateException("for the test");
                }

                @Override
                public void removed(long[] hashes) {}

                @Override
                public void cleared() {}
            });
            int[] prompt = prompt(40, 1);
            assertThat(engine.run(greedy(prompt, 8)).text()).isEqualTo(alone(prompt, 8));
            int known = told.blocks.size();
            end.run();
            end.run();
            engine.run(greedy(prompt(40, 2), 8));
            assertThat(told.blocks).hasSize(known);
        }
    }

    /** What a listener has been told, and that it was told in order. */
    private static final class Told implements KvListener {
        final Set<Long> blocks = new LinkedHashSet<>();
        final Map<Long, Long> parents = new HashMap<>();
        int removed;

        @Override
        public void stored(long[] hashes, long parent, int tokensPerBlock) {
            assertThat(hashes).isNotEmpty();
            assertThat(tokensPerBlock).isEqualTo(PrefixCache.BLOCK_TOKENS);
            long before = parent;
            for (long hash : hashes) {
                parents.put(hash, before);
                blocks.add(hash);
                before = hash;
            }
        }

        Map<Long, Long> parents() {
            Map<Long, Long> present = new HashMap<>(parents);
            present.keySet().retainAll(blocks);
            return present;
        }

        @Override
        public void removed(long[] hashes) {
            for (long hash : hashes) {
                assertThat(blocks.remove(hash)).isTrue();
                removed++;
            }
        }

        @Override
        public void cleared() {
            removed += blocks.size();
            blocks.clear();
        }

        int match(PromptBlocks prompt) {
            int matched = 0;
            while (matched < prompt.matchable() && blocks.contains(prompt.hash(matched))) {
                matched++;
            }
            return matched;
        }
    }
}
