/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Usage;
import io.balancedllm.prefix.PromptBlocks;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class EndpointLoadTest {
    private static final long SECOND = 1_000_000_000L;
    private static final int BLOCK = 512;

    private final AtomicInteger encoded = new AtomicInteger();
    /** Prompts are numbers with a length: {@code "7x1024"} has the blocks of conversation 7, 1,024 tokens of it. */
    private final PoolLoad pool = new PoolLoad((request, options) -> {
        encoded.incrementAndGet();
        String[] parts = ((io.balancedllm.completion.Prompt.Text) request.prompt())
                .text()
                .split("x", 2);
        int tokens = Integer.parseInt(parts[1]);
        long[] hashes = new long[tokens / BLOCK];
        for (int i = 0; i < hashes.length; i++) {
            hashes[i] = Long.parseLong(parts[0]) * 1_000 + i;
        }
        return PromptBlocks.exact(hashes, BLOCK, tokens);
    });

    private final EndpointLoad load = new EndpointLoad("e", pool, OptionalLong.empty(), 0);

    private CallPrompt prompt(String text) {
        return new CallPrompt(pool, new Work.OfCompletion(CompletionRequest.of(text)), CallOptions.DEFAULT);
    }

    private PromptWork dispatch(String text, long now) {
        return Objects.requireNonNull(load.dispatched(prompt(text), now));
    }

    @Test
    void nothingIsEncodedOrKeptBeforeAPolicyAsks() {
        assertThat(load.dispatched(prompt("1x5000"), 0)).isNull();
        assertThat(encoded).hasValue(0);

        pool.keep(PoolLoad.Kept.PROMPT_TOKENS);
        assertThat(dispatch("1x5000", 0).promptTokens).isEqualTo(5_000);
        assertThat(load.pendingPromptTokens()).isEqualTo(5_000);
        pool.policySwitched();
        assertThat(load.dispatched(prompt("1x5000"), 0)).isNull();
        assertThat(encoded).hasValue(1);
    }

    @Test
    void pendingWorkIsThereFromDispatchToFirstTokenAndShrinksWithTime() {
        pool.keep(PoolLoad.Kept.PROMPT_TOKENS);
        PromptWork first = dispatch("1x10000", 0);
        PromptWork second = dispatch("2x10000", 0);
        double each = load.prefillSeconds(10_000, 0);

        assertThat(load.pendingPromptTokens()).isEqualTo(20_000);
        assertThat(load.pendingPrefillSeconds(0)).isCloseTo(2 * each, within(1e-8));
        assertThat(load.pendingPrefillSeconds((long) (each / 2 * SECOND))).isCloseTo(1.5 * each, within(1e-8));
        assertThat(load.pendingPrefillSeconds(100 * SECOND)).isZero();

        load.firstToken(first, SECOND);
        load.firstToken(first, SECOND); // once is enough
        assertThat(load.pendingPromptTokens()).isEqualTo(10_000);
        assertThat(load.pendingPrefillSeconds(SECOND)).isCloseTo(each, within(1e-8));
        load.firstToken(second, 2 * SECOND);
        assertThat(load.pendingPromptTokens()).isZero();
        assertThat(load.pendingPrefillSeconds(2 * SECOND)).isZero();
    }

    @Test
    void whatIsHeldCountsSharedBlocksOnceAndGoesWithTheAttempts() {
        pool.keep(PoolLoad.Kept.PREFIXES);
        PromptWork first = dispatch("1x2048", 0);
        PromptWork second = dispatch("1x4096", 0);
        double answers = 2 * PoolLoad.INITIAL_OUTPUT_TOKENS;

        assertThat(load.kvTokensInUse(2)).isEqualTo(4_096 + answers);
        assertThat(load.contextTokens()).isEqualTo(2_048 + 4_096 + answers / 2);
        assertThat(second.cachedTokens).isEqualTo(2_048);
        load.ended(second, SECOND, null, 0, false);
        assertThat(load.kvTokensInUse(0)).isEqualTo(2_048);
        load.ended(first, SECOND, null, 0, false);
        assertThat(load.kvTokensInUse(0)).isZero();
        assertThat(load.contextTokens()).isZero();
    }

    @Test
    void anAttemptThatEndsWithoutATokenLeavesNothingAndTeachesNothing() {
        pool.keep(PoolLoad.Kept.PROMPT_TOKENS);
        PromptWork failed = dispatch("1x50000", 0);
        load.ended(failed, 90 * SECOND, null, 0, false);
        PromptWork next = dispatch("2x50000", 100 * SECOND);
        load.ended(next, 101 * SECOND, null, 0, false);

        assertThat(load.pendingPromptTokens()).isZero();
        assertThat(load.pendingPrefillSeconds(101 * SECOND)).isZero();
        assertThat(load.secondsPerPromptToken()).isEqualTo(PrefillSpeed.INITIAL_SECONDS_PER_TOKEN);
        assertThat(pool.expectedOutputTokens()).isEqualTo(PoolLoad.INITIAL_OUTPUT_TOKENS);
        assertThat(load.freedTokensPerSecond()).isZero();
    }

    /** Two prompts in one step: each seems to take two seconds, and the endpoint computed 20,000 tokens in them. */
    @Test
    void aBusyPeriodTeachesItsTotalTimeForItsTotalWork() {
        pool.keep(PoolLoad.Kept.PROMPT_TOKENS);
        for (int i = 0; i < 100; i++) {
            long start = 10L * i * SECOND;
            PromptWork first = dispatch("1x10000", start);
            PromptWork second = dispatch("2x10000", start);
            load.firstToken(first, start + 2 * SECOND);
            load.firstToken(second, start + 2 * SECOND);
        }
        assertThat(load.prefillSeconds(10_000, 0)).isCloseTo(1.0, within(0.1));
    }

    @Test
    void whatAnswersFreeAndHowLongTheyAreIsAveraged() {
        pool.keep(PoolLoad.Kept.PREFIXES);
        for (int i = 0; i < 600; i++) {
            PromptWork work = dispatch(i + "x1000", 2L * i * SECOND);
            load.firstToken(work, 2L * i * SECOND + 1);
            Usage usage = Usage.builder(1_000, 500).cachedTokens(200).build();
            load.ended(work, 2L * (i + 1) * SECOND, usage, 7, true);
        }
        assertThat(load.freedTokensPerSecond()).isCloseTo(650, within(0.1));
        assertThat(pool.expectedOutputTokens()).isCloseTo(500, within(1.0));
    }

    /** A clock that stands still teaches nothing, and neither does an engine that says it cached more than it was sent. */
    @Test
    void aClockThatStandsStillAndCountsBeyondReasonLeaveUsableNumbers() {
        pool.keep(PoolLoad.Kept.PREFIXES);
        for (int i = 0; i < 100; i++) {
            PromptWork work = dispatch(i + "x5000", 0);
            load.firstToken(work, 0);
            Usage usage = Usage.builder(5_000, 10).cachedTokens(1_000_000).build();
            load.ended(work, 0, usage, 10, true);
        }
        assertThat(load.secondsPerPromptToken()).isEqualTo(PrefillSpeed.INITIAL_SECONDS_PER_TOKEN);
        assertThat(load.freedTokensPerSecond()).isZero();
        assertThat(load.pendingPrefillSeconds(0)).isZero();

        PromptWork later = dispatch("1000x5000", 0);
        load.ended(later, SECOND, Usage.builder(5_000, 10).cachedTokens(9_000).build(), 10, true);
        assertThat(load.freedTokensPerSecond()).isPositive().isLessThan(1e6);
    }

    @Test
    void anEncoderThatMiscountsIsCorrectedByWhatEnginesCount() {
        PromptBlocks estimate = PromptBlocks.estimated(new long[] {1, 2, 3}, 100, 350);
        for (int i = 0; i < 200; i++) {
            pool.answered(estimate, 525, 10);
        }
        assertThat(pool.promptTokens(estimate)).isBetween(500, 525);
        assertThat(pool.cachedTokens(estimate, 2)).isBetween(280, 300);
        assertThat(pool.promptTokens(PromptBlocks.exact(new long[0], 1, 350))).isEqualTo(350);
    }

    @Test
    void usageBeyondReasonChangesTheCorrectionWithinBoundsOnly() {
        PromptBlocks estimate = PromptBlocks.estimated(new long[0], 100, 1);
        for (int i = 0; i < 5_000; i++) {
            pool.answered(estimate, Integer.MAX_VALUE, 10);
        }
        assertThat(pool.promptTokens(PromptBlocks.estimated(new long[0], 100, 1_000)))
                .isEqualTo(16_000);
    }

    /** Estimates of a prompt's tokens are off by something else each time; an engine's memory stays as large as it is. */
    @Test
    void aPromptWhoseTokensAreOverestimatedEvictsNothing() {
        PoolLoad estimating = new PoolLoad((request, options) -> {
            String text = ((io.balancedllm.completion.Prompt.Text) request.prompt()).text();
            int perBlock = Integer.parseInt(text);
            return PromptBlocks.estimated(new long[] {perBlock, perBlock + 1}, perBlock, 2 * perBlock);
        });
        estimating.keep(PoolLoad.Kept.PREFIXES);
        // 20 blocks of really 100 tokens each.
        EndpointLoad endpoint = new EndpointLoad("e", estimating, OptionalLong.of(2_000), 0);
        Usage usage = Usage.builder(200, 10).build();
        for (int i = 0; i < 10; i++) {
            String text = String.valueOf(i % 2 == 0 ? 90 + 2 * i : 110 + 2 * i);
            endpoint.ended(dispatch(endpoint, estimating, text), i * SECOND, usage, 10, true);
        }
        PromptWork overestimated = dispatch(endpoint, estimating, "400");

        assertThat(endpoint.kvTokensInUse(0)).isBetween(180.0, 220.0);
        endpoint.ended(overestimated, 10 * SECOND, usage, 10, true);
        assertThat(Objects.requireNonNull(estimating.index()).statistics().entries())
                .isBetween(19, 20);
    }

    private static PromptWork dispatch(EndpointLoad endpoint, PoolLoad pool, String text) {
        CallPrompt prompt =
                new CallPrompt(pool, new Work.OfCompletion(CompletionRequest.of(text)), CallOptions.DEFAULT);
        return Objects.requireNonNull(endpoint.dispatched(prompt, 0));
    }
}
