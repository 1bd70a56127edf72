/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.completion.Completion;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * An entry as an invalidation sees it. Immutable.
 *
 * @param text the last user text of the request
 * @param answer the answer
 * @param tenantOrNull on whose account it was made; null for none
 * @param namespaceOrNull the namespace of its call; null for none
 * @param age time since it was stored
 */
public record CachedEntry(
        String text,
        Completion answer,
        @Nullable String tenantOrNull,
        @Nullable String namespaceOrNull,
        Duration age) {
    /** {@return on whose account it was made} */
    public Optional<String> tenant() {
        return Optional.ofNullable(tenantOrNull);
    }

    /** {@return the namespace of its call} */
    public Optional<String> namespace() {
        return Optional.ofNullable(namespaceOrNull);
    }
}
