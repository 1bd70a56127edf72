/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

/**
 * How well cached tokens were foreseen, over all answers that told them. Tokens are the engine's. Immutable.
 *
 * @param predictions answers that told their cached tokens
 * @param predictedTokens prompt tokens expected in the cache
 * @param confirmedTokens of these, the ones that were there
 * @param overPredictedTokens of these, the ones that were not: evicted, lost in a restart, or not computed yet
 * @param unforeseenTokens tokens that were in the cache unexpectedly: the work of other clients, mostly
 */
public record PredictionErrors(
        long predictions,
        long predictedTokens,
        long confirmedTokens,
        long overPredictedTokens,
        long unforeseenTokens) {}
