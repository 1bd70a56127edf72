/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.completion.Completion;
import java.util.concurrent.CompletionStage;

/** Judges whether a cached answer would have served as well as a fresh one. Thread-safe. */
@FunctionalInterface
public interface AnswerComparator {
    /**
     * Compares two answers to one request.
     *
     * @param cached the answer that was given
     * @param fresh the answer of a backend
     * @return whether the cached one was right; a stage that fails, or an exception, counts as no verdict
     */
    CompletionStage<Boolean> same(Completion cached, Completion fresh);
}
