/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Requests, answers, and what a cache does with them. */
final class Answers {
    private Answers() {}

    static CompletionRequest ask(String text) {
        return CompletionRequest.builder("chat").user(text).temperature(0).build();
    }

    static CacheKey key(CompletionRequest request, CallOptions options) {
        return CacheKey.of(request, options, CacheScope.TENANT);
    }

    static Completion answer(String text) {
        return answer(text, FinishReason.STOP);
    }

    static Completion answer(String text, FinishReason reason) {
        return Completion.builder(Operation.CHAT)
                .choice(new Choice(0, Message.assistant(text), reason, null, Map.of()))
                .build();
    }

    static CacheLookup lookup(SemanticCache cache, CompletionRequest request, CallOptions options) {
        try {
            return cache.lookup(key(request, options), request)
                    .toCompletableFuture()
                    .get(30, TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new AssertionError("the lookup failed", e);
        }
    }

    static CacheLookup lookup(SemanticCache cache, String text) {
        return lookup(cache, ask(text), CallOptions.DEFAULT);
    }

    /** Looks up, and stores an answer if there was none. */
    static CacheLookup put(SemanticCache cache, CompletionRequest request, CallOptions options, String text) {
        CacheLookup lookup = lookup(cache, request, options);
        if (lookup instanceof CacheLookup.Miss miss) {
            cache.store(key(request, options), miss, answer(text));
        }
        return lookup;
    }

    static CacheLookup put(SemanticCache cache, String question, String text) {
        return put(cache, ask(question), CallOptions.DEFAULT, text);
    }

    static String text(CacheLookup lookup) {
        return lookup instanceof CacheLookup.Hit hit
                ? hit.answer().completion().text()
                : lookup.outcome().toString();
    }
}
