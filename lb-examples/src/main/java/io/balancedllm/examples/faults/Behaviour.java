/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

/** How a worker of the bench behaves, whole and in part. */
enum Behaviour {
    /** Answers well. */
    OK,
    /** Refuses connections. */
    REFUSES,
    /** Answers everything with 503. */
    UNAVAILABLE,
    /** Answers requests with 429 and {@code Retry-After}; its health is good. */
    RATE_LIMITED,
    /** Ends each stream cleanly after five tokens. */
    CUTS,
    /** Puts an error into the stream in place of the first token. */
    IN_BAND_ERROR,
    /** Takes ten times as long. */
    SLOW,
    /** Refuses the key. */
    UNAUTHORIZED,
    /** Loads its model, as llama.cpp says it. */
    LOADING,
    /** Refuses what is new as vLLM does once it is told to stop; its health is good. */
    DRAINING,
    /** Breaks at one kind of request, and answers the others. */
    POISONED
}
