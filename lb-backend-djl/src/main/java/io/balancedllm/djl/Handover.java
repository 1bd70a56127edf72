/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What was computed of a prompt beside the engine: its cache where the engine can go on with the very same, and copies in
 * blocks of {@value PrefixCache#BLOCK_TOKENS} tokens, from the start. Closing it frees what nobody has taken out. Used by
 * one thread at a time.
 */
final class Handover implements AutoCloseable {
    private Kernel.@Nullable KvCache cache;
    private final List<Kernel.@Nullable KvBlock> blocks = new ArrayList<>();

    Handover(Kernel.@Nullable KvCache cache) {
        this.cache = cache;
    }

    /** Takes a block in, behind those before it. */
    void add(Kernel.KvBlock block) {
        blocks.add(block);
    }

    /** {@return whether the cache itself is in here} */
    boolean hasCache() {
        return cache != null;
    }

    /** {@return the cache, which is the caller's from now on; null if there is none} */
    Kernel.@Nullable KvCache takeCache() {
        Kernel.KvCache taken = cache;
        cache = null;
        return taken;
    }

    /** Frees the cache, whose blocks are enough. */
    void closeCache() {
        Kernel.KvCache left = takeCache();
        if (left != null) {
            left.close();
        }
    }

    /** {@return how many blocks came} */
    int size() {
        return blocks.size();
    }

    /** {@return a block, which is the caller's from now on} */
    Kernel.KvBlock takeBlock(int index) {
        Kernel.KvBlock taken = blocks.set(index, null);
        if (taken == null) {
            throw new IllegalStateException("block " + index + " has been taken already");
        }
        return taken;
    }

    @Override
    public void close() {
        closeCache();
        for (Kernel.KvBlock block : blocks) {
            if (block != null) {
                block.close();
            }
        }
        blocks.clear();
    }
}
