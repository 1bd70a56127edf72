/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import io.balancedllm.prefix.BlockRun.Use;
import org.jspecify.annotations.Nullable;

/** The runs of blocks of one holder in the order of their use; of those used together, the deepest is the oldest. */
final class HeldBlocks {
    private final int slot;
    private int size;
    private @Nullable Use oldest;
    private @Nullable Use newest;

    HeldBlocks(int slot) {
        this.slot = slot;
    }

    int slot() {
        return slot;
    }

    /** {@return how many blocks} */
    int size() {
        return size;
    }

    void grow(int blocks) {
        size += blocks;
    }

    @Nullable
    Use oldest() {
        return oldest;
    }

    void append(Use use) {
        insertAfter(newest, use);
    }

    /** Makes a use the one just newer than another, or the oldest. */
    void insertAfter(@Nullable Use before, Use use) {
        Use after = before == null ? oldest : before.newer;
        use.older = before;
        use.newer = after;
        if (before == null) {
            oldest = use;
        } else {
            before.newer = use;
        }
        if (after == null) {
            newest = use;
        } else {
            after.older = use;
        }
    }

    void moveToNewest(Use use) {
        if (use != newest) {
            unlink(use);
            append(use);
        }
    }

    void unlink(Use use) {
        if (use.older == null) {
            oldest = use.newer;
        } else {
            use.older.newer = use.newer;
        }
        if (use.newer == null) {
            newest = use.older;
        } else {
            use.newer.older = use.older;
        }
        use.older = null;
        use.newer = null;
    }
}
