/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.endpoint.KvListener;
import io.balancedllm.prefix.PromptBlocks;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Copies of keys and values of prompts seen before, in blocks of {@value #BLOCK_TOKENS} tokens. Blocks are named by the
 * hashes of {@link PromptBlocks#ofTokens}, which the router computes too; a name alone is never believed: a block is used
 * only if its tokens are the prompt's and it follows the very block used before it, so two prompts whose hashes collide
 * cannot get each other's numbers. Least recently used blocks go first, and a block before those it leads to never. Used
 * by the engine thread alone.
 */
final class PrefixCache {
    static final int BLOCK_TOKENS = 16;

    private static final Logger LOG = LoggerFactory.getLogger(PrefixCache.class);
    private static final long ROOT = 0;

    private final LinkedHashMap<Long, Entry> entries = new LinkedHashMap<>(64, 0.75f, true);
    private final List<KvListener> listeners = new ArrayList<>();
    private long lastId = ROOT;
    private int maxBlocks;

    /** {@return a prompt as blocks of this cache} */
    static PromptBlocks blocks(int[] tokens, String salt) {
        return PromptBlocks.ofTokens(tokens, BLOCK_TOKENS, salt);
    }

    /** Sets how many tokens may be held, and forgets what is beyond. */
    void limit(int tokens) {
        maxBlocks = Math.max(0, tokens) / BLOCK_TOKENS;
        trim(maxBlocks);
    }

    private void trim(int blocks) {
        List<Long> gone = new ArrayList<>();
        Iterator<Map.Entry<Long, Entry>> oldest = entries.entrySet().iterator();
        while (entries.size() > blocks) {
            Map.Entry<Long, Entry> next = oldest.next();
            next.getValue().block().close();
            gone.add(next.getKey());
            oldest.remove();
        }
        if (!gone.isEmpty()) {
            long[] hashes = gone.stream().mapToLong(Long::longValue).toArray();
            tell(entries.isEmpty() ? KvListener::cleared : listener -> listener.removed(hashes));
        }
    }

    /** {@return how many tokens are held} */
    int tokens() {
        return entries.size() * BLOCK_TOKENS;
    }

    /** {@return how many tokens of a prompt could be filled in now} Makes them the last to go. */
    int match(int[] tokens, PromptBlocks blocks) {
        List<Entry> path = path(tokens, blocks, blocks.matchable());
        touch(blocks, path.size());
        return path.size() * BLOCK_TOKENS;
    }

    /**
     * Fills an empty cache with the longest known prefix of a prompt, always leaving at least one token to compute.
     *
     * @return how many tokens were filled in
     */
    int restore(int[] tokens, PromptBlocks blocks, Kernel.KvCache cache) {
        List<Entry> path = path(tokens, blocks, blocks.matchable());
        path.forEach(entry -> cache.append(entry.block()));
        touch(blocks, path.size());
        return path.size() * BLOCK_TOKENS;
    }

    /** Saves all full blocks that a sequence has computed and that are not known yet, as far as there is room. */
    void save(int[] tokens, PromptBlocks blocks, Kernel.KvCache cache) {
        int computed = Math.min(blocks.size(), cache.length() / BLOCK_TOKENS);
        keep(tokens, blocks, computed, index -> cache.save(index * BLOCK_TOKENS, BLOCK_TOKENS));
    }

    /**
     * Keeps blocks that are not known yet, as far as there is room.
     *
     * @param computed how many there are, from the start
     * @param made gives a block that is kept, once, and is not asked for others
     */
    void keep(int[] tokens, PromptBlocks blocks, int computed, IntFunction<Kernel.KvBlock> made) {
        int count = Math.min(computed, maxBlocks);
        List<Entry> path = path(tokens, blocks, count);
        int known = path.size();
        long parentId = known == 0 ? ROOT : path.get(known - 1).id();
        touch(blocks, known); // so that what is known does not make room for what follows it
        trim(maxBlocks - (count - known));
        int last = known;
        try {
            for (; last < count; last++) {
                int[] own = Arrays.copyOfRange(tokens, last * BLOCK_TOKENS, (last + 1) * BLOCK_TOKENS);
                Entry entry = new Entry(++lastId, parentId, own, made.apply(last));
                Entry before = entries.put(blocks.hash(last), entry);
                if (before != null) {
                    before.block().close();
                }
                parentId = entry.id();
            }
        } catch (RuntimeException | OutOfMemoryError e) {
            LOG.warn("no memory for a prefix, which is not kept", e);
        }
        touch(blocks, last);
        long[] added = IntStream.range(known, last).mapToLong(blocks::hash).toArray();
        if (added.length > 0) {
            long parent = known == 0 ? 0 : blocks.hash(known - 1);
            tell(listener -> listener.stored(added, parent, BLOCK_TOKENS));
        }
    }

    /** Forgets all blocks of a prompt. */
    void forget(PromptBlocks blocks) {
        List<Long> gone = new ArrayList<>();
        for (int i = 0; i < blocks.size(); i++) {
            Entry entry = entries.remove(blocks.hash(i));
            if (entry != null) {
                entry.block().close();
                gone.add(blocks.hash(i));
            }
        }
        if (!gone.isEmpty()) {
            tell(listener ->
                    listener.removed(gone.stream().mapToLong(Long::longValue).toArray()));
        }
    }

    /** Tells a listener what is here and from now on what changes. */
    void listen(KvListener listener) {
        listeners.add(listener);
        tell(List.of(listener), KvListener::cleared);
        Map<Long, Long> hashes = new LinkedHashMap<>();
        entries.forEach((hash, entry) -> hashes.put(entry.id(), hash));
        entries.forEach((hash, entry) -> {
            long parent = hashes.getOrDefault(entry.parentId(), 0L);
            tell(List.of(listener), to -> to.stored(new long[] {hash}, parent, BLOCK_TOKENS));
        });
    }

    void unlisten(KvListener listener) {
        listeners.remove(listener);
    }

    private void tell(Consumer<KvListener> event) {
        tell(List.copyOf(listeners), event);
    }

    private void tell(List<KvListener> to, Consumer<KvListener> event) {
        for (KvListener listener : to) {
            try {
                event.accept(listener);
            } catch (RuntimeException e) {
                listeners.remove(listener);
                LOG.warn("a listener of KV events failed and is told nothing more", e);
            }
        }
    }

    private List<Entry> path(int[] tokens, PromptBlocks blocks, int count) {
        List<Entry> path = new ArrayList<>();
        long parentId = ROOT;
        for (int i = 0; i < count; i++) {
            Entry entry = entries.get(blocks.hash(i));
            if (entry == null || entry.parentId() != parentId || !entry.holds(tokens, i * BLOCK_TOKENS)) {
                break;
            }
            path.add(entry);
            parentId = entry.id();
        }
        return path;
    }

    /** Makes the first block of a path the most recently used: it is worth most. */
    private void touch(PromptBlocks blocks, int count) {
        for (int i = count - 1; i >= 0; i--) {
            @Nullable Entry unused = entries.get(blocks.hash(i));
        }
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Entry(long id, long parentId, int[] tokens, Kernel.KvBlock block) {
        boolean holds(int[] prompt, int from) {
            return Arrays.equals(tokens, 0, tokens.length, prompt, from, from + tokens.length);
        }
    }
}
