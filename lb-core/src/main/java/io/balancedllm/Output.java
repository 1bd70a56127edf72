/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;

/**
 * Where the answer of a call goes. Called by the call's state machine, one call at a time; exactly one of
 * what {@link #completed} returns and {@link #failed} ends it.
 */
interface Output {
    /** How many chunks to ask for before the reader has taken any; {@link Integer#MAX_VALUE} for all. */
    int initialDemand();

    /** So many chunks more were asked for. */
    default void granted(int chunks) {}

    /** Takes a whole answer instead of its chunks, to be handed over at the end; false when it has to be told in chunks. */
    default boolean whole(Completion answer) {
        return false;
    }

    /** Takes a chunk. */
    void chunk(CompletionChunk chunk);

    /** Takes the answer to an embedding request. */
    default void embeddings(Embeddings embeddings) {
        throw new IllegalStateException("a completion got embeddings");
    }

    /** Forgets everything taken so far; false when the caller has been handed some of it, and nothing is forgotten. */
    boolean discard();

    /** {@return whether the caller has been handed some of it} */
    default boolean delivered() {
        return false;
    }

    /** {@return text of the first choice taken so far} */
    String partialText();

    /**
     * {@return what hands the whole answer over} Throws when what was taken makes no answer: then nothing has been handed
     * over, and the call still can fail.
     */
    Runnable completed(DecisionRecord decision);

    void failed(LlmException failure, DecisionRecord decision);
}
