/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

/** What a backend is asked to do; also the kind of a completion on the wire. */
public enum Operation {
    /** Chat messages in, a message out ({@code /v1/chat/completions}). */
    CHAT,
    /** A plain prompt in, its continuation out ({@code /v1/completions}). */
    TEXT,
    /** Texts in, vectors out ({@code /v1/embeddings}). */
    EMBEDDINGS
}
