/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

/**
 * How far the index can be believed about an endpoint, and why.
 *
 * @param level how far
 * @param reason why, for people to read
 */
public record HolderState(Level level, String reason) {
    /** How far the index can be believed. */
    public enum Level {
        /** The endpoint tells what it stores and removes, in the blocks that prompts are encoded to. */
        EXACT,
        /** Concluded from what was sent there, and corrected by the cached tokens of the answers. */
        APPROXIMATE,
        /** Known to be wrong at present: predictions lately failed, or a gap was found in what the endpoint tells. */
        DEGRADED
    }
}
