/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/**
 * A node of the tree: blocks that follow one another and that the same endpoints hold, each of them used them last
 * together. Only the writer touches it; readers see its {@link Slice}.
 */
final class BlockRun {
    Slice slice;

    @Nullable
    BlockRun parent;

    @Nullable
    BlockRun firstChild;

    private @Nullable BlockRun nextSibling;
    private @Nullable BlockRun previousSibling;

    /** In the order of their slots, one for each bit of the slice's holders. */
    private Use[] uses = {};

    BlockRun(@Nullable BlockRun parent, long[] hashes) {
        this.slice = new Slice(this, hashes, hashes.length, 0, null);
        attach(parent);
    }

    int length() {
        return slice.length;
    }

    int holders() {
        return uses.length;
    }

    Use[] uses() {
        return uses;
    }

    /** {@return the use of this slot; null when it does not hold these blocks} */
    @Nullable
    Use use(int slot) {
        int place = place(slot);
        return place < uses.length && uses[place].slot() == slot ? uses[place] : null;
    }

    void add(Use use) {
        int place = place(use.slot());
        Use[] more = new Use[uses.length + 1];
        System.arraycopy(uses, 0, more, 0, place);
        more[place] = use;
        System.arraycopy(uses, place, more, place + 1, uses.length - place);
        uses = more;
    }

    void remove(int slot) {
        int place = place(slot);
        Use[] fewer = new Use[uses.length - 1];
        System.arraycopy(uses, 0, fewer, 0, place);
        System.arraycopy(uses, place + 1, fewer, place, fewer.length - place);
        uses = fewer;
    }

    /** {@return how many uses are of lower slots} */
    private int place(int slot) {
        int low = 0;
        int high = uses.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (uses[middle].slot() < slot) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /** Puts a run of the first blocks between this one and its parent. */
    void insertParent(BlockRun first) {
        detach();
        attach(first);
    }

    private void attach(@Nullable BlockRun to) {
        parent = to;
        if (to != null) {
            nextSibling = to.firstChild;
            if (nextSibling != null) {
                nextSibling.previousSibling = this;
            }
            to.firstChild = this;
        }
    }

    void detach() {
        BlockRun from = parent;
        if (from == null) {
            return;
        }
        if (previousSibling == null) {
            from.firstChild = nextSibling;
        } else {
            previousSibling.nextSibling = nextSibling;
        }
        if (nextSibling != null) {
            nextSibling.previousSibling = previousSibling;
        }
        parent = null;
        nextSibling = null;
        previousSibling = null;
    }

    @Nullable
    BlockRun nextSibling() {
        return nextSibling;
    }

    /**
     * What readers see of a run: nothing of it changes but who holds it. A run that becomes longer or shorter gets a new
     * slice, and readers that have the old one see the blocks as they were.
     */
    static final class Slice {
        /** The first hash, by which the run is found. */
        final long first;

        final int length;
        final BlockRun run;

        /** Longer than the length where there is room for more. */
        final long[] hashes;

        /** The slots 0 to 63, and all beyond where there are such. */
        private volatile long low;

        private final @Nullable AtomicLongArray high;

        Slice(BlockRun run, long[] hashes, int length, long low, @Nullable AtomicLongArray high) {
            this.first = hashes[0];
            this.length = length;
            this.run = run;
            this.hashes = hashes;
            this.low = low;
            this.high = high;
        }

        /** {@return the slots that hold it, 64 in a word} */
        long holders(int word) {
            if (word == 0) {
                return low;
            }
            AtomicLongArray words = high;
            return words == null || word > words.length() ? 0 : words.get(word - 1);
        }

        /** {@return whether there is a bit for the slot} */
        boolean hasPlaceFor(int slot) {
            return slot < Long.SIZE || (high != null && slot / Long.SIZE <= high.length());
        }

        void set(int slot, boolean holds) {
            int word = slot / Long.SIZE;
            long bit = 1L << slot;
            long before = holders(word);
            long after = holds ? before | bit : before & ~bit;
            if (word == 0) {
                low = after;
            } else if (high != null) {
                high.set(word - 1, after);
            }
        }

        /** {@return how many blocks of the prompt, from this one on and before the limit, are here; the first one is} */
        int common(PromptBlocks prompt, int from, int limit) {
            int most = Math.min(length, limit - from);
            int common = 1;
            while (common < most && hashes[common] == prompt.hash(from + common)) {
                common++;
            }
            return common;
        }

        /** {@return the same holders, separate from now on, for some blocks of a run} */
        Slice of(BlockRun other, long[] otherHashes, int otherLength) {
            return new Slice(other, otherHashes, otherLength, low, copyOfHigh(high == null ? 0 : high.length()));
        }

        /** {@return the same with a bit for the slot} */
        Slice wideEnoughFor(int slot) {
            return new Slice(run, hashes, length, low, copyOfHigh(slot / Long.SIZE));
        }

        private @Nullable AtomicLongArray copyOfHigh(int words) {
            if (words == 0) {
                return null;
            }
            AtomicLongArray copy = new AtomicLongArray(words);
            for (int word = 1; word <= words; word++) {
                copy.setPlain(word - 1, holders(word));
            }
            return copy;
        }

        long[] hashes(int from, int to) {
            return Arrays.copyOfRange(hashes, from, to);
        }
    }

    /** That a holder has the blocks of a run, and when it used them last; a link of the holder's order of use. */
    static final class Use {
        final HeldBlocks holder;
        final BlockRun run;
        long ordinal;

        @Nullable
        Use older;

        @Nullable
        Use newer;

        Use(HeldBlocks holder, BlockRun run, long ordinal) {
            this.holder = holder;
            this.run = run;
            this.ordinal = ordinal;
        }

        int slot() {
            return holder.slot();
        }
    }
}
