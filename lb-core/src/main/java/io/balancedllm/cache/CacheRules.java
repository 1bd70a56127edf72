/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Operation;
import java.util.Optional;

/**
 * Which calls may share answers: with answers stored, and with calls in flight.
 *
 * <p>A request that is drawn at a high temperature wants a new answer each time. One that names no temperature counts as
 * {@link #UNSET_TEMPERATURE}, which is what the OpenAI wire takes it for; a seed makes the drawing repeatable, and
 * {@link CacheControl#cacheAnyTemperature()} says that a repeated answer is welcome.
 */
public final class CacheRules {
    /** The highest temperature at which answers are shared without a seed and without being asked to. */
    public static final double DEFAULT_MAXIMUM_TEMPERATURE = 0.3;
    /** The temperature of a request that names none. */
    public static final double UNSET_TEMPERATURE = 1.0;

    private CacheRules() {}

    /**
     * {@return why a call may not share answers; empty when it may}
     *
     * @param request what is asked
     * @param control what the call wants of the cache
     * @param maximumTemperature up to which temperature answers are shared
     */
    public static Optional<String> bypass(CompletionRequest request, CacheControl control, double maximumTemperature) {
        if (control.mode() == CacheControl.Mode.BYPASS) {
            return Optional.of("asked to");
        }
        if (request.operation() == Operation.EMBEDDINGS) {
            return Optional.of("embeddings");
        }
        boolean repeatable = control.cacheAnyTemperature()
                || request.sampling().seed().isPresent()
                || request.sampling().temperature().orElse(UNSET_TEMPERATURE) <= maximumTemperature;
        return repeatable ? Optional.empty() : Optional.of("temperature");
    }
}
