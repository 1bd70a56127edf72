/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import java.util.List;

/**
 * What came of one request.
 *
 * @param end how it ended, as its client sees it
 * @param tokens the numbers of the tokens that came, in their order
 * @param nanos how long it took
 */
record Outcome(End end, List<Integer> tokens, long nanos) {
    /** How a request ends. */
    enum End {
        /** Nothing said that anything was wrong. */
        GOOD,
        /** A failure was told. */
        FAILED
    }

    boolean isWhole() {
        return end == End.GOOD && tokens.size() == FaultWorkerCommand.TOKENS;
    }

    boolean isTruncatedAsSuccess() {
        return end == End.GOOD && tokens.size() < FaultWorkerCommand.TOKENS;
    }

    /** A stream that was told to have failed after some of it had been delivered: nobody can repeat it unseen. */
    boolean isCut() {
        return end == End.FAILED && !tokens.isEmpty();
    }

    boolean isLost() {
        return end == End.FAILED && tokens.isEmpty();
    }

    boolean isDuplicated() {
        return tokens.stream().distinct().count() < tokens.size();
    }
}
