/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.Iterator;
import java.util.Optional;

/**
 * An answer as it is generated. Iterating blocks until the next chunk is there; reading slowly slows the generation
 * down (back-pressure reaches the engine). Closing it before its end cancels the generation.
 *
 * <p>Read by one thread at a time; {@link #close()} may be called from any. A failure is thrown by the iterator as
 * {@link LlmException}, after the chunks that had arrived before it. The interrupt of a reading thread cancels.
 */
public interface CompletionStream extends Iterable<CompletionChunk>, AutoCloseable {
    /**
     * {@return the iterator over the chunks not read yet; every call returns the same one}
     *
     */
    @Override
    Iterator<CompletionChunk> iterator();

    /**
     * {@return the whole answer: what was read so far, and the rest, which is read now}
     *
     * @throws LlmException when the answer failed
     */
    Completion completion();

    /** {@return who served it and why; empty until the answer has ended} */
    Optional<DecisionRecord> decision();

    /** Cancels the generation unless it has ended. Idempotent, never blocks, never throws. */
    @Override
    void close();
}
