/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import java.util.stream.LongStream;

/** Prompts made of blocks with a known path: the hash of a block is that of all numbers up to it. */
final class Prompts {
    static final int TOKENS_PER_BLOCK = 16;

    private Prompts() {}

    /** {@return a prompt of one block for each number, and one more token} */
    static PromptBlocks of(long... path) {
        return PromptBlocks.exact(hashes(path), TOKENS_PER_BLOCK, path.length * TOKENS_PER_BLOCK + 1);
    }

    /** {@return the prompt of a conversation that shares nothing with others} */
    static PromptBlocks conversation(long id, int blocks) {
        return of(LongStream.range(0, blocks)
                .map(block -> block == 0 ? id : block)
                .toArray());
    }

    static long[] hashes(long... path) {
        long[] hashes = new long[path.length];
        long hash = 7;
        for (int i = 0; i < path.length; i++) {
            hash = RunTable.spread(hash * 31 + path[i] + 1);
            hashes[i] = hash;
        }
        return hashes;
    }

    static int tokens(int blocks) {
        return blocks * TOKENS_PER_BLOCK;
    }
}
