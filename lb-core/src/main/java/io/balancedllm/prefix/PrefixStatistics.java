/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

/**
 * Size and success of a {@link PrefixIndex} at one moment. Immutable.
 *
 * @param holders endpoints in the index
 * @param blocks different blocks that at least one of them holds
 * @param entries pairs of a block and an endpoint that holds it
 * @param bytes memory of the index, computed from the sizes of its arrays
 * @param evictions entries removed so far: to keep a capacity or the bound of the index, for their age, or because they
 *     turned out to be gone
 * @param errors how well cached tokens were foreseen, endpoints that left included
 */
public record PrefixStatistics(
        int holders, int blocks, int entries, long bytes, long evictions, PredictionErrors errors) {}
