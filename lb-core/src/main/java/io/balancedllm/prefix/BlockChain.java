/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import java.util.Arrays;

/**
 * Cuts a stream of bytes into blocks and chains their hashes: the hash of a block is seeded with that of the block before
 * it, so it stands for everything up to its end. Can be taken up again where another one stopped. Not thread-safe.
 */
final class BlockChain {
    private final int blockBytes;
    private final byte[] rest;
    private int restLength;
    private long[] hashes;
    private int blocks;
    private long last;

    /** Starts with what comes before the first block: what must differ where prompts must not share blocks. */
    BlockChain(int blockBytes, long seed) {
        this.blockBytes = blockBytes;
        this.rest = new byte[blockBytes];
        this.hashes = new long[16];
        this.last = seed;
    }

    /** Goes on after what came before: full blocks, at least one, and the bytes after them. */
    BlockChain(int blockBytes, long seed, long[] hashes, byte[] rest) {
        this.blockBytes = blockBytes;
        this.rest = Arrays.copyOf(rest, blockBytes);
        this.restLength = rest.length;
        this.hashes = Arrays.copyOf(hashes, hashes.length + 16);
        this.blocks = hashes.length;
        this.last = blocks == 0 ? seed : hashes[blocks - 1];
    }

    void add(byte value) {
        rest[restLength++] = value;
        if (restLength == blockBytes) {
            close(rest, 0);
            restLength = 0;
        }
    }

    void add(byte[] bytes) {
        int at = 0;
        if (restLength > 0) {
            at = Math.min(bytes.length, blockBytes - restLength);
            System.arraycopy(bytes, 0, rest, restLength, at);
            restLength += at;
            if (restLength < blockBytes) {
                return;
            }
            close(rest, 0);
            restLength = 0;
        }
        for (; at + blockBytes <= bytes.length; at += blockBytes) {
            close(bytes, at);
        }
        restLength = bytes.length - at;
        System.arraycopy(bytes, at, rest, 0, restLength);
    }

    private void close(byte[] bytes, int from) {
        if (blocks == hashes.length) {
            hashes = Arrays.copyOf(hashes, blocks + (blocks >> 1));
        }
        last = Xxh64.hash(bytes, from, blockBytes, last);
        hashes[blocks++] = last;
    }

    /** {@return the hashes of the full blocks so far} */
    long[] hashes() {
        return Arrays.copyOf(hashes, blocks);
    }

    /** {@return the bytes after the last full block} */
    byte[] rest() {
        return Arrays.copyOf(rest, restLength);
    }

    /** {@return how many bytes came so far} */
    long bytes() {
        return (long) blocks * blockBytes + restLength;
    }
}
