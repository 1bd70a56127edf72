/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class PromptBlocksTest {
    @Test
    void tokenBlocksAreAChainOfHashesThatAnybodyCanRepeat() {
        int[] ids = {1, 2, 3, 4, 50_256, 6, 7};
        PromptBlocks blocks = PromptBlocks.ofTokens(ids, 3, "salt");
        byte[] seed = "token ids\nsalt".getBytes(StandardCharsets.UTF_8);
        long first = hash(Xxh64.hash(seed, 0, seed.length, 0), 1, 2, 3);
        assertThat(blocks.size()).isEqualTo(2);
        assertThat(blocks.hash(0)).isEqualTo(first);
        assertThat(blocks.hash(1)).isEqualTo(hash(first, 4, 50_256, 6));
        assertThat(blocks.promptTokens()).isEqualTo(7);
        assertThat(blocks.matchable()).isEqualTo(2);
        assertThat(blocks.exact()).isTrue();
        assertThat(blocks.ofTokens()).isTrue();
    }

    @Test
    void tokenBlocksDependOnSaltAndEverythingBefore() {
        PromptBlocks one = PromptBlocks.ofTokens(new int[] {1, 2, 3, 4}, 2, "");
        assertThat(PromptBlocks.ofTokens(new int[] {1, 2, 3, 4}, 2, "a").hash(0))
                .isNotEqualTo(one.hash(0));
        assertThat(PromptBlocks.ofTokens(new int[] {9, 2, 3, 4}, 2, "").hash(1)).isNotEqualTo(one.hash(1));
        assertThat(PromptBlocks.ofTokens(new int[] {1, 2, 3, 9}, 2, "").hash(0)).isEqualTo(one.hash(0));
        assertThat(PromptBlocks.exact(new long[] {1}, 2, 2).ofTokens()).isFalse();
        assertThatThrownBy(() -> PromptBlocks.ofTokens(new int[0], 0, "")).hasMessageContaining("tokensPerBlock");
    }

    private static long hash(long seed, int... ids) {
        ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES * ids.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(ids);
        return Xxh64.hash(bytes.array(), 0, bytes.capacity(), seed);
    }
}
