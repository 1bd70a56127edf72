/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import io.balancedllm.prefix.BlockRun.Slice;
import io.balancedllm.prefix.BlockRun.Use;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/**
 * A radix tree of prompts: which holders have which blocks. Adjacent blocks that the same holders used last together are
 * one node, a {@link BlockRun}, so that a prompt is matched by comparing arrays and costs a look-up only where prompts
 * part. As a block's hash stands for all before it, a run is found by its first hash alone, from anywhere in the tree.
 *
 * <p>{@link #match} never blocks; all else is called by one writer at a time. A holder of a run holds its parents, too,
 * and used them last no earlier: what is used longest ago has nothing below it.
 *
 * <p>After the radix tree of SGLang's cache-aware router, which keeps texts and one tree for each model.
 *
 * @see <a href="https://arxiv.org/abs/2312.07104">Zheng et al., SGLang: Efficient Execution of Structured Language Model
 *     Programs, 2024</a>
 */
final class PrefixTree {
    /** Memory of a run, its slice, its arrays' headers and its share of the table's references, about. */
    static final int RUN_BYTES = 128;

    /** Memory of a use and the reference to it, about. */
    static final int USE_BYTES = 48;

    /** A run that grows gets room for one more of so many parts of its length. */
    private static final int ROOM_PARTS = 4;

    private final RunTable table = new RunTable();
    private volatile AtomicLongArray present = new AtomicLongArray(1);

    // For the writer.
    private final List<BlockRun> path = new ArrayList<>();
    private long runs;
    private long uses;
    private int blocks;
    private long hashes;

    /** {@return blocks that somebody holds} */
    int blocks() {
        return blocks;
    }

    /** {@return memory it takes, about} */
    long bytes() {
        return runs * RUN_BYTES + uses * USE_BYTES + hashes * Long.BYTES + table.cells() * Integer.BYTES;
    }

    /**
     * Finds for each slot how many of the first blocks it holds without a gap. Never blocks.
     *
     * @return the most of any slot
     */
    int match(PromptBlocks prompt, int[] result) {
        Arrays.fill(result, 0);
        AtomicLongArray now = present;
        int most = 0;
        for (int word = 0; word < now.length(); word++) {
            long holding = now.getOpaque(word);
            if (holding != 0) {
                most = Math.max(most, match(prompt, word, holding, result));
            }
        }
        return most;
    }

    private int match(PromptBlocks prompt, int word, long slots, int[] result) {
        long holding = slots;
        int limit = prompt.matchable();
        int block = 0;
        while (block < limit) {
            Slice slice = table.find(prompt.hash(block));
            if (slice == null) {
                break;
            }
            long next = holding & slice.holders(word);
            if (next != holding) {
                set(result, word, holding ^ next, block);
                holding = next;
                if (holding == 0) {
                    return block;
                }
            }
            int common = slice.common(prompt, block, limit);
            block += common;
            if (common < slice.length) {
                break;
            }
        }
        set(result, word, holding, block);
        return block;
    }

    private static void set(int[] result, int word, long slots, int blocks) {
        if (blocks == 0) {
            return;
        }
        for (long rest = slots; rest != 0; rest &= rest - 1) {
            int slot = word * Long.SIZE + Long.numberOfTrailingZeros(rest);
            if (slot < result.length) {
                result[slot] = blocks;
            }
        }
    }

    /** {@return how many of the first blocks the slot holds without a gap} Never blocks. */
    int match(PromptBlocks prompt, int slot) {
        AtomicLongArray now = present;
        int word = slot / Long.SIZE;
        long bit = 1L << slot;
        if (word >= now.length() || (now.getOpaque(word) & bit) == 0) {
            return 0;
        }
        int limit = prompt.matchable();
        int block = 0;
        while (block < limit) {
            Slice slice = table.find(prompt.hash(block));
            if (slice == null || (slice.holders(word) & bit) == 0) {
                break;
            }
            int common = slice.common(prompt, block, limit);
            block += common;
            if (common < slice.length) {
                break;
            }
        }
        return block;
    }

    /** Lets matches see a slot. */
    void open(int slot) {
        int word = slot / Long.SIZE;
        AtomicLongArray now = present;
        if (word >= now.length()) {
            AtomicLongArray wider = new AtomicLongArray(word + 1);
            for (int i = 0; i < now.length(); i++) {
                wider.setPlain(i, now.get(i));
            }
            present = wider;
            now = wider;
        }
        now.set(word, now.get(word) | 1L << slot);
    }

    /** Hides a slot from matches that begin later, whatever it holds. */
    void close(int slot) {
        int word = slot / Long.SIZE;
        present.set(word, present.get(word) & ~(1L << slot));
    }

    /** {@return when the holder used this block last; negative when it does not hold it} */
    long lastUse(HeldBlocks holder, PromptBlocks prompt, int block) {
        Use use = null;
        for (int at = 0; at <= block; ) {
            Slice slice = table.find(prompt.hash(at));
            if (slice == null) {
                return -1;
            }
            use = slice.run.use(holder.slot());
            int common = slice.common(prompt, at, block + 1);
            at += common;
            if (use == null || (common < slice.length && at <= block)) {
                return -1;
            }
        }
        return use == null ? -1 : use.ordinal;
    }

    /**
     * Notes that a holder used the blocks before the limit, the last one first, and so has them now.
     *
     * @param after the run of this holder that they follow; null for the start of a prompt
     */
    void use(HeldBlocks holder, @Nullable BlockRun after, PromptBlocks prompt, int limit, long ordinal) {
        BlockRun last = after;
        int at = 0;
        while (at < limit) {
            Slice slice = table.find(prompt.hash(at));
            if (slice == null) {
                break;
            }
            int common = slice.common(prompt, at, limit);
            last = common < slice.length ? split(slice.run, common) : slice.run;
            path.add(last);
            at += common;
        }
        if (at < limit) {
            if (last != null && isLeafOf(holder, last)) {
                extend(last, prompt, at, limit);
                holder.grow(limit - at);
            } else {
                path.add(create(last, prompt, at, limit));
            }
        }
        for (int i = path.size() - 1; i >= 0; i--) {
            touch(holder, path.get(i), ordinal);
        }
        path.clear();
        for (BlockRun above = after; above != null; above = above.parent) {
            touch(holder, above, ordinal);
        }
    }

    /** {@return the run that ends with this block of the holder, cut where it goes on; null when it has no such block} */
    @Nullable
    BlockRun endingWith(HeldBlocks holder, long hash) {
        for (Use use = holder.oldest(); use != null; use = use.newer) {
            Slice slice = use.run.slice;
            for (int block = slice.length - 1; block >= 0; block--) {
                if (slice.hashes[block] == hash) {
                    return block + 1 < slice.length ? split(use.run, block + 1) : use.run;
                }
            }
        }
        return null;
    }

    private static boolean isLeafOf(HeldBlocks holder, BlockRun run) {
        return run.firstChild == null && run.holders() == 1 && run.use(holder.slot()) != null;
    }

    private void touch(HeldBlocks holder, BlockRun run, long ordinal) {
        Use use = run.use(holder.slot());
        if (use == null) {
            use = new Use(holder, run, ordinal);
            hold(use);
            holder.append(use);
            holder.grow(run.length());
        } else {
            use.ordinal = ordinal;
            holder.moveToNewest(use);
        }
    }

    private void hold(Use use) {
        BlockRun run = use.run;
        if (!run.slice.hasPlaceFor(use.slot())) {
            publish(run, run.slice.wideEnoughFor(use.slot()));
        }
        run.add(use);
        run.slice.set(use.slot(), true);
        uses++;
    }

    private BlockRun create(@Nullable BlockRun parent, PromptBlocks prompt, int from, int to) {
        BlockRun run = new BlockRun(parent, prompt.hashes(from, to));
        runs++;
        blocks += to - from;
        hashes += to - from;
        table.put(run.slice);
        return run;
    }

    private void publish(BlockRun run, Slice slice) {
        run.slice = slice;
        table.put(slice);
    }

    private void extend(BlockRun run, PromptBlocks prompt, int from, int to) {
        Slice slice = run.slice;
        int length = slice.length + to - from;
        long[] longer = slice.hashes;
        if (length > longer.length) {
            longer = Arrays.copyOf(longer, length + length / ROOM_PARTS);
            hashes += longer.length - slice.hashes.length;
        }
        // No reader looks beyond the length of its slice.
        prompt.copy(from, to, longer, slice.length);
        blocks += to - from;
        publish(run, slice.of(run, longer, length));
    }

    /** Cuts a run in two. {@return the first blocks, a new run; the old one keeps the others and what is below} */
    private BlockRun split(BlockRun run, int at) {
        Slice whole = run.slice;
        BlockRun first = new BlockRun(run.parent, whole.hashes(0, at));
        run.insertParent(first);
        first.slice = whole.of(first, first.slice.hashes, at);
        for (Use use : run.uses()) {
            Use upper = new Use(use.holder, first, use.ordinal);
            first.add(upper);
            use.holder.insertAfter(use, upper);
        }
        runs++;
        uses += first.holders();
        hashes += whole.length - whole.hashes.length;
        // A reader finds all blocks at any time: by the whole run, or by its two parts.
        publish(run, whole.of(run, whole.hashes(at, whole.length), whole.length - at));
        table.put(first.slice);
        return first;
    }

    /**
     * Removes the last blocks of a run from a holder, all of it where there are no more. {@return how many were removed}
     */
    int remove(Use use, int atMost) {
        BlockRun run = use.run;
        int length = run.length();
        int kept = Math.max(0, length - atMost);
        if (kept > 0 && run.holders() == 1 && run.firstChild == null) {
            Slice slice = run.slice;
            hashes += kept - slice.hashes.length;
            blocks -= length - kept;
            publish(run, slice.of(run, slice.hashes(0, kept), kept));
            use.holder.grow(kept - length);
            return length - kept;
        }
        if (kept > 0) {
            split(run, kept);
        }
        release(use);
        return length - kept;
    }

    private void release(Use use) {
        BlockRun run = use.run;
        HeldBlocks holder = use.holder;
        run.slice.set(holder.slot(), false);
        run.remove(holder.slot());
        holder.unlink(use);
        holder.grow(-run.length());
        uses--;
        if (run.holders() == 0) {
            table.remove(run.slice.first);
            run.detach();
            runs--;
            blocks -= run.length();
            hashes -= run.slice.hashes.length;
        }
    }

    /** Takes back what a holder has used with this ordinal and not since, from a block on. {@return how many blocks} */
    int takeBack(HeldBlocks holder, PromptBlocks prompt, int from, long ordinal) {
        int removed = 0;
        for (int at = 0; at < prompt.size(); ) {
            Slice slice = table.find(prompt.hash(at));
            if (slice == null) {
                break;
            }
            Use use = slice.run.use(holder.slot());
            int end = at + slice.common(prompt, at, prompt.size());
            if (use != null && use.ordinal == ordinal && end > from) {
                if (at < from) {
                    split(slice.run, from - at);
                }
                path.add(slice.run);
            }
            at = end;
        }
        for (int i = path.size() - 1; i >= 0; i--) {
            Use use = path.get(i).use(holder.slot());
            removed += use == null ? 0 : remove(use, Integer.MAX_VALUE);
        }
        path.clear();
        return removed;
    }

    /** Removes blocks of a holder wherever they are, and all that follow them. {@return how many} */
    int remove(HeldBlocks holder, long[] gone) {
        Set<Long> wanted = new HashSet<>();
        for (long hash : gone) {
            wanted.add(hash);
        }
        for (Use use = holder.oldest(); use != null; use = use.newer) {
            if (firstOf(wanted, use.run.slice) >= 0) {
                path.add(use.run);
            }
        }
        int before = holder.size();
        for (BlockRun run : path) {
            int block = firstOf(wanted, run.slice);
            if (block > 0) {
                split(run, block);
            }
            if (block >= 0) {
                removeBelow(holder, run);
            }
        }
        path.clear();
        return before - holder.size();
    }

    private static int firstOf(Set<Long> wanted, Slice slice) {
        for (int block = 0; block < slice.length; block++) {
            if (wanted.contains(slice.hashes[block])) {
                return block;
            }
        }
        return -1;
    }

    private void removeBelow(HeldBlocks holder, BlockRun run) {
        List<BlockRun> below = new ArrayList<>(List.of(run));
        for (int i = 0; i < below.size(); i++) {
            for (BlockRun child = below.get(i).firstChild; child != null; child = child.nextSibling()) {
                below.add(child);
            }
        }
        for (int i = below.size() - 1; i >= 0; i--) {
            Use use = below.get(i).use(holder.slot());
            if (use != null) {
                release(use);
            }
        }
    }
}
