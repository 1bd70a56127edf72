/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.ContentPart;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.Role;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What must be equal for one call to get the answer of another: everything that is asked, and for whom. Immutable and
 * thread-safe.
 *
 * <p>The digests are SHA-256 over an unambiguous form of the request: fields by name and length, object members in the
 * order of their names. A fast hash without a key would let one tenant make a request that collides with another's.
 */
public final class CacheKey {
    private final String exact;
    private final String partition;
    private final @Nullable String text;
    private final @Nullable String tenant;
    private final @Nullable String namespace;
    private final @Nullable Duration timeToLive;

    private CacheKey(
            String exact,
            String partition,
            @Nullable String text,
            @Nullable String tenant,
            @Nullable String namespace,
            @Nullable Duration timeToLive) {
        this.exact = exact;
        this.partition = partition;
        this.text = text;
        this.tenant = tenant;
        this.namespace = namespace;
        this.timeToLive = timeToLive;
    }

    /**
     * {@return the key of a call}
     *
     * @param request what is asked; all of it counts
     * @param options for whom, and in which namespace; nothing else of them counts
     * @param scope whether the tenant counts
     */
    public static CacheKey of(CompletionRequest request, CallOptions options, CacheScope scope) {
        String tenant = options.tenant().orElse(null);
        String namespace = options.cache().namespace().orElse(null);
        LastText last = LastText.of(request);
        RequestDigest digest = new RequestDigest();
        digest.text("scope", scope == CacheScope.GLOBAL ? null : tenant);
        digest.text("shared", scope.name());
        digest.text("namespace", namespace);
        digest.request(request, last);
        String partition = digest.hex();
        return new CacheKey(
                exact(partition, last.text()),
                partition,
                last.text(),
                tenant,
                namespace,
                options.cache().timeToLive().orElse(null));
    }

    /**
     * {@return the digest of a request of this partition that has this last user text} With it, what was written down of
     * a request elsewhere can be checked.
     *
     * @param partition as {@link #partition()} says
     * @param text the last user text; null for none
     */
    public static String exact(String partition, @Nullable String text) {
        RequestDigest exact = new RequestDigest();
        exact.text("partition", partition);
        exact.text("last text", text);
        return exact.hex();
    }

    /** {@return the digest of the whole request and its scope, 64 hexadecimal digits} */
    public String exact() {
        return exact;
    }

    /** {@return the digest of the request without its last user text, and of its scope; 64 hexadecimal digits} */
    public String partition() {
        return partition;
    }

    /**
     * {@return the last user text, which alone may differ between requests of a partition} Empty where the request has
     * none that stands for itself: token ids, several prompts, a last message that is not the user's.
     */
    public Optional<String> text() {
        return Optional.ofNullable(text);
    }

    /** {@return on whose account the call runs; also set when the scope is global} */
    public Optional<String> tenant() {
        return Optional.ofNullable(tenant);
    }

    /** {@return the namespace of the call, part of both digests} */
    public Optional<String> namespace() {
        return Optional.ofNullable(namespace);
    }

    /** {@return how long the call wants its answer kept; empty for the cache's own time} */
    public Optional<Duration> timeToLive() {
        return Optional.ofNullable(timeToLive);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof CacheKey that && exact.equals(that.exact);
    }

    @Override
    public int hashCode() {
        return exact.hashCode();
    }

    /** {@return the beginning of the digest, never the text} */
    @Override
    public String toString() {
        return "CacheKey{" + exact.substring(0, 12) + "}";
    }

    /**
     * Where in a request the last user text stands.
     *
     * @param text the text; null when there is none
     * @param message the index of its message; -1 for a plain prompt or none
     * @param part the index of its part; -1 for content that is a plain string
     */
    record LastText(@Nullable String text, int message, int part) {
        private static final LastText NONE = new LastText(null, -1, -1);

        static LastText of(CompletionRequest request) {
            if (request.prompt() instanceof Prompt.Text plain) {
                return new LastText(plain.text(), -1, -1);
            }
            return request.prompt() instanceof Prompt.Chat chat ? of(chat.messages()) : NONE;
        }

        private static LastText of(List<Message> messages) {
            int index = messages.size() - 1;
            Message last = messages.get(index);
            if (!last.role().equals(Role.USER)) {
                return NONE;
            }
            if (last.content().isPresent()) {
                return new LastText(last.content().get(), index, -1);
            }
            int found = -1;
            for (int part = 0; part < last.parts().size(); part++) {
                if (last.parts().get(part) instanceof ContentPart.Text) {
                    if (found >= 0) {
                        return NONE;
                    }
                    found = part;
                }
            }
            return found < 0
                    ? NONE
                    : new LastText(last.parts().get(found).text().orElseThrow(), index, found);
        }
    }
}
