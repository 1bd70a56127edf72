/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.LlmException;

/**
 * Takes the answer of one attempt. Calls are serial, though not always from the same thread; the grammar is
 *
 * <pre>{@code accepted? (chunk | alive | report)* (completed | failed | cancelled)}</pre>
 *
 * with exactly one terminal call, also after {@link Generation#cancel()}, and nothing after it. No method blocks, throws
 * or runs user code, so a backend may call it from its own threads, holding no lock it needs for
 * {@link Generation#request} or {@link Generation#cancel}.
 */
public interface GenerationSink {
    /**
     * The endpoint has taken the request; its response has begun. Needs no chunk to be requested. An attempt refused at
     * once, also from within {@link LlmBackend#start}, goes without.
     */
    void accepted(ResponseInfo info);

    /** The endpoint gave a sign of life that is no chunk (a keep-alive comment): resets the idle timer only. */
    void alive();

    /** What the engine said of its load along with this answer; needs no demand and is no sign of progress. */
    default void report(EngineReport report) {}

    /**
     * The next chunk; at most as many as were requested. Every chunk counts, the one with the finish reason and the one
     * with the token counts too; the terminal call does not.
     */
    void chunk(CompletionChunk chunk);

    /**
     * The answer is whole: every choice has its finish reason, or the protocol's own end mark has come. A stream that
     * merely ended is {@link #failed} with {@link LlmException.Reason#TRUNCATED}.
     */
    void completed();

    /** The attempt failed. */
    void failed(LlmException cause);

    /** The attempt was cancelled. */
    void cancelled();
}
