/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * Copies of keys and values of prompts seen before, in blocks of {@value #BLOCK_TOKENS} tokens. A block is found by its
 * tokens and the block before it, so equal keys mean equal prefixes: no hash can collide. Least recently used blocks go
 * first, and a block before those it leads to never. Used by the engine thread alone.
 */
final class PrefixCache {
    static final int BLOCK_TOKENS = 16;

    private static final long ROOT = 0;

    private final LinkedHashMap<Key, Entry> entries = new LinkedHashMap<>(64, 0.75f, true);
    private long lastId = ROOT;
    private int maxBlocks;

    /** Sets how many tokens may be held, and forgets what is beyond. */
    void limit(int tokens) {
        maxBlocks = Math.max(0, tokens) / BLOCK_TOKENS;
        Iterator<Entry> oldest = entries.values().iterator();
        while (entries.size() > maxBlocks) {
            oldest.next().block().close();
            oldest.remove();
        }
    }

    /**
     * Fills an empty cache with the longest known prefix of a prompt, always leaving at least one token to compute.
     *
     * @return how many tokens were filled in
     */
    int restore(int[] prompt, Kernel.KvCache cache) {
        List<Key> path = new ArrayList<>();
        long parent = ROOT;
        for (int start = 0; start + BLOCK_TOKENS < prompt.length; start += BLOCK_TOKENS) {
            Key key = Key.of(parent, prompt, start);
            Entry entry = entries.get(key);
            if (entry == null) {
                break;
            }
            cache.append(entry.block());
            parent = entry.id();
            path.add(key);
        }
        touch(path);
        return path.size() * BLOCK_TOKENS;
    }

    /** Saves all full blocks of a sequence that are not known yet, as far as there is room. */
    void save(int[] tokens, Kernel.KvCache cache) {
        List<Key> path = new ArrayList<>();
        long parent = ROOT;
        int blocks = Math.min(cache.length() / BLOCK_TOKENS, maxBlocks);
        for (int i = 0; i < blocks; i++) {
            Key key = Key.of(parent, tokens, i * BLOCK_TOKENS);
            Entry entry = entries.get(key);
            if (entry == null) {
                entry = new Entry(++lastId, cache.save(i * BLOCK_TOKENS, BLOCK_TOKENS));
                entries.put(key, entry);
            }
            parent = entry.id();
            path.add(key);
        }
        touch(path);
        limit(maxBlocks * BLOCK_TOKENS);
    }

    /** Makes the first block of a path the most recently used: it is worth most. */
    private void touch(List<Key> path) {
        for (int i = path.size() - 1; i >= 0; i--) {
            entries.get(path.get(i));
        }
    }

    private record Entry(long id, Kernel.KvBlock block) {}

    private record Key(long parent, List<Integer> tokens) {
        static Key of(long parent, int[] tokens, int start) {
            return new Key(
                    parent,
                    Arrays.stream(tokens, start, start + BLOCK_TOKENS).boxed().toList());
        }
    }
}
