/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.prefix.HolderState.Level;
import java.util.OptionalInt;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class PrefixIndexTest {
    private final PrefixIndex index = new PrefixIndex();
    private final PrefixHolder one = index.join("one");
    private final PrefixHolder two = index.join("two");

    @Test
    void findsForEveryEndpointHowMuchOfAPromptItWasSentBefore() {
        complete(one, Prompts.of(1, 2, 3, 4));
        complete(two, Prompts.of(1, 2, 9));
        int[] result = {7, 7, 7};

        assertThat(index.match(Prompts.of(1, 2, 3, 5, 6), result)).isEqualTo(3);

        assertThat(result).containsExactly(3, 2, 0);
    }

    @Test
    void aResultThatIsTooShortLeavesOutTheEndpointsBeyondIt() {
        complete(two, Prompts.of(1, 2, 3));

        assertThat(index.match(Prompts.of(1, 2, 3), new int[1])).isEqualTo(3);
    }

    @Test
    void aPromptIsNeverExpectedToBeCachedToItsLastToken() {
        PromptBlocks whole = PromptBlocks.exact(Prompts.hashes(1, 2, 3), 16, 48);
        complete(one, whole);

        assertThat(one.match(whole)).isEqualTo(2);
        assertThat(one.match(Prompts.of(1, 2, 3))).isEqualTo(3);
        assertThat(one.match(PromptBlocks.NONE)).isZero();
    }

    @Test
    void theHashZeroIsAHashLikeAnyOther() {
        PromptBlocks prompt = PromptBlocks.exact(new long[] {0, 1}, 16, 33);
        assertThat(one.match(prompt)).isZero();

        complete(one, prompt);

        assertThat(one.match(prompt)).isEqualTo(2);
        assertThat(two.match(prompt)).isZero();
    }

    @Test
    void theEndOfThePromptUnusedForLongestGoesFirst() {
        one.capacityBlocks(5);
        complete(one, Prompts.of(1, 2, 3));
        complete(one, Prompts.of(7, 8, 9));

        assertThat(one.match(Prompts.of(1, 2, 3))).isEqualTo(2);
        assertThat(one.match(Prompts.of(7, 8, 9))).isEqualTo(3);
    }

    @Test
    void ofAPromptLongerThanTheCacheTheBeginningIsKept() {
        one.capacityBlocks(100);
        PromptBlocks prompt = Prompts.conversation(1, 40_000);

        complete(one, prompt);

        assertThat(one.match(prompt)).isEqualTo(100);
        assertThat(index.statistics().entries()).isEqualTo(100);
    }

    @Test
    void anIndexNeverTakesMoreThanItsBoundWhateverIsSent() {
        long bound = 100_000;
        PrefixIndex small = new PrefixIndex(bound);
        PrefixHolder busy = small.join("busy");
        PrefixHolder quiet = small.join("quiet");
        complete(quiet, Prompts.conversation(-1, 50));
        for (int i = 0; i < 2_000; i++) {
            complete(busy, Prompts.conversation(i, i % 100));
            assertThat(small.statistics().bytes()).isLessThanOrEqualTo(bound);
        }

        assertThat(quiet.match(Prompts.conversation(-1, 50))).isEqualTo(50);
        assertThat(busy.match(Prompts.conversation(1_999, 99))).isEqualTo(99);
        assertThat(small.statistics().bytes()).isGreaterThan(bound * 9 / 10);
        assertThat(small.statistics().evictions())
                .isEqualTo(2_000 * 99 / 2 + 50 - small.statistics().entries());
    }

    @Test
    void aConversationThatGrowsStaysOneRunOfBlocks() {
        for (int turn = 1; turn <= 100; turn++) {
            complete(one, Prompts.conversation(1, 3 * turn));
        }
        PrefixIndex atOnce = new PrefixIndex();
        complete(atOnce.join("one"), Prompts.conversation(1, 300));

        assertThat(one.match(Prompts.conversation(1, 300))).isEqualTo(300);
        assertThat(index.statistics().bytes()).isLessThan(atOnce.statistics().bytes() + 300 * Long.BYTES);
    }

    @Test
    void anEndpointOfUnknownCapacityIsBoundedToo() {
        for (int i = 0; i < 400; i++) {
            complete(one, Prompts.conversation(i, 100));
        }

        assertThat(index.statistics().entries()).isEqualTo(PrefixIndex.DEFAULT_CAPACITY_BLOCKS);
    }

    @Test
    void sixteenEndpointsWithAllTheBlocksOfAnH100TakeAtMost8Megabytes() {
        int blocks = 27_520;
        for (int i = 0; i < 16; i++) {
            PrefixHolder holder = i == 0 ? one : i == 1 ? two : index.join("e" + i);
            holder.capacityBlocks(blocks);
            for (int prompt = 0; prompt < 2 * blocks / 128; prompt++) {
                complete(holder, Prompts.conversation(((long) i << 32) + prompt, 128));
            }
        }
        PrefixStatistics statistics = index.statistics();

        assertThat(statistics.entries()).isEqualTo(16 * blocks);
        assertThat(statistics.blocks()).isEqualTo(16 * blocks);
        assertThat(statistics.bytes()).isLessThanOrEqualTo(8_000_000);
    }

    @Test
    void oneThatLeavesIsGoneAtOnceAndItsPlaceServesAnother() {
        complete(one, Prompts.of(1, 2, 3));
        complete(two, Prompts.of(1, 2));
        PrefixPrediction late = one.dispatched(Prompts.of(4));

        one.leave();
        one.leave();
        one.answered(late, 17, OptionalInt.of(16));
        complete(one, Prompts.of(1, 2, 3));

        assertThat(one.match(Prompts.of(1, 2, 3))).isZero();
        assertThat(index.statistics().entries()).isEqualTo(2);
        assertThat(index.statistics().holders()).isEqualTo(1);
        PrefixHolder next = index.join("one");
        assertThat(next.slot()).isEqualTo(one.slot());
        assertThat(next.match(Prompts.of(1, 2, 3))).isZero();
        assertThat(two.match(Prompts.of(1, 2, 3))).isEqualTo(2);
        assertThat(index.slots()).isEqualTo(2);
    }

    @Test
    void manyEndpointsHaveAPlaceEach() {
        PrefixIndex wide = new PrefixIndex();
        PrefixHolder[] holders = new PrefixHolder[1_000];
        for (int i = 0; i < holders.length; i++) {
            holders[i] = wide.join("e" + i);
            complete(holders[i], Prompts.of(LongStream.range(0, 1 + i % 20).toArray()));
        }
        int[] result = new int[wide.slots()];

        assertThat(wide.match(Prompts.of(LongStream.range(0, 30).toArray()), result))
                .isEqualTo(20);

        for (int i = 0; i < holders.length; i++) {
            assertThat(result[holders[i].slot()]).isEqualTo(1 + i % 20);
        }
    }

    @Test
    void whatTheEndpointTellsItselfCountsAloneWhileItIsExact() {
        complete(one, Prompts.of(5));
        one.state(new HolderState(Level.EXACT, "events"));
        one.cleared();
        one.stored(Prompts.hashes(1, 2, 3), 0);
        PrefixPrediction prediction = one.dispatched(Prompts.of(8, 9));
        one.answered(prediction, 33, OptionalInt.of(0));

        assertThat(one.match(Prompts.of(5))).isZero();
        assertThat(one.match(Prompts.of(8, 9))).isZero();
        assertThat(one.match(Prompts.of(1, 2, 3))).isEqualTo(3);
        assertThat(one.state()).isEqualTo(new HolderState(Level.EXACT, "events"));

        long[] longer = Prompts.hashes(1, 2, 3, 4, 5);
        one.stored(new long[] {longer[3], longer[4]}, longer[2]);
        one.stored(new long[] {Prompts.hashes(1, 2, 6)[2]}, longer[1]);
        one.stored(new long[] {Prompts.hashes(7, 8)[1]}, Prompts.hashes(7)[0]);

        assertThat(one.match(Prompts.of(1, 2, 3, 4, 5))).isEqualTo(5);
        assertThat(one.match(Prompts.of(1, 2, 6))).isEqualTo(3);
        assertThat(one.match(Prompts.of(7, 8))).isZero();

        one.removed(new long[] {longer[1], Prompts.hashes(9)[0]});

        assertThat(one.match(Prompts.of(1, 2, 3, 4, 5))).isEqualTo(1);
        assertThat(index.statistics().entries()).isEqualTo(1);

        one.state(new HolderState(Level.DEGRADED, "a gap after event 7"));
        complete(one, Prompts.of(8, 9));

        assertThat(one.match(Prompts.of(8, 9))).isEqualTo(2);
        assertThat(one.state().reason()).isEqualTo("a gap after event 7");

        one.state(new HolderState(Level.APPROXIMATE, "events ended"));

        assertThat(one.state().level()).isEqualTo(Level.APPROXIMATE);
        assertThat(one.state().reason()).contains("own history");
    }

    @Test
    void badNumbersAreRefusedByName() {
        assertThatThrownBy(() -> new PrefixIndex(0))
                .hasMessageContaining("maxBytes")
                .hasMessageContaining("0");
        assertThatThrownBy(() -> one.capacityBlocks(0)).hasMessageContaining("blocks");
        assertThatThrownBy(() -> PromptBlocks.exact(new long[0], 0, 1)).hasMessageContaining("tokensPerBlock");
        assertThatThrownBy(() -> PromptBlocks.estimated(new long[0], 1, -1)).hasMessageContaining("promptTokens");
    }

    static void complete(PrefixHolder holder, PromptBlocks prompt) {
        holder.firstToken(holder.dispatched(prompt));
    }
}
