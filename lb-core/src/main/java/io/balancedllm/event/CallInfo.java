/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Operation;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A call that begins. Immutable.
 *
 * @param callId identifies it in logs and events
 * @param operation what it does
 * @param modelOrNull the model asked for, null for the only one there is
 * @param streaming whether the caller reads chunks as they come
 * @param options how it is served
 */
public record CallInfo(
        String callId, Operation operation, @Nullable String modelOrNull, boolean streaming, CallOptions options) {
    /** {@return the model asked for, if one was named} */
    public Optional<String> model() {
        return Optional.ofNullable(modelOrNull);
    }
}
