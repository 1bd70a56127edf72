/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.Usage;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/** Token counts. A count that was not sent stays absent. */
final class UsageJson {
    private static final String PROMPT_DETAILS = "prompt_tokens_details";
    private static final String COMPLETION_DETAILS = "completion_tokens_details";

    private UsageJson() {}

    /** Takes {@code usage} when it has its form; null when it is absent or has not. */
    static @Nullable Usage take(Fields parent) {
        Map<String, @Nullable Object> json = Fields.asObject(parent.peek("usage"));
        if (json == null) {
            if (parent.peek("usage") == null) {
                parent.drop("usage");
            }
            return null;
        }
        Fields fields = Fields.lenient(json);
        Object sentPrompt = fields.peek("prompt_tokens");
        Object sentCompletion = fields.peek("completion_tokens");
        Integer prompt = fields.integer("prompt_tokens", 0);
        Integer completion = fields.integer("completion_tokens", 0);
        if (prompt == null || (completion == null && sentCompletion != null)) {
            if (prompt != null) {
                fields.put("prompt_tokens", sentPrompt);
            }
            if (completion != null) {
                fields.put("completion_tokens", sentCompletion);
            }
            return null;
        }
        int generated = completion == null ? 0 : completion;
        fields.dropIf("total_tokens", (long) prompt + generated);
        Usage.Builder usage = Usage.builder(prompt, generated);
        detail(fields, PROMPT_DETAILS, "cached_tokens", usage::cachedTokens);
        detail(fields, PROMPT_DETAILS, "created_cache_tokens", usage::createdCacheTokens);
        detail(fields, COMPLETION_DETAILS, "reasoning_tokens", usage::reasoningTokens);
        parent.drop("usage");
        return usage.extra(fields.rest()).build();
    }

    private static void detail(Fields usage, String details, String name, IntConsumer setter) {
        if (usage.peek(details) == null) {
            usage.drop(details);
        }
        Map<String, @Nullable Object> json = Fields.asObject(usage.peek(details));
        if (json == null) {
            return;
        }
        Integer count = Fields.lenient(json).integer(name, 0);
        if (count != null) {
            setter.accept(count);
            if (json.isEmpty()) {
                usage.drop(details);
            }
        }
    }

    static Map<String, @Nullable Object> write(Usage usage, boolean generating) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("prompt_tokens", usage.promptTokens());
        if (generating || usage.completionTokens() > 0) {
            json.put("completion_tokens", usage.completionTokens());
        }
        Object total = usage.extra().get("total_tokens");
        json.put("total_tokens", total == null ? (Object) (long) usage.totalTokens() : total);
        Map<String, @Nullable Object> prompt = new LinkedHashMap<>();
        usage.cachedTokens().ifPresent(count -> prompt.put("cached_tokens", count));
        usage.createdCacheTokens().ifPresent(count -> prompt.put("created_cache_tokens", count));
        if (!prompt.isEmpty()) {
            json.put(PROMPT_DETAILS, prompt);
        }
        Map<String, @Nullable Object> completion = new LinkedHashMap<>();
        usage.reasoningTokens().ifPresent(count -> completion.put("reasoning_tokens", count));
        if (!completion.isEmpty()) {
            json.put(COMPLETION_DETAILS, completion);
        }
        Json.merge(json, usage.extra());
        return json;
    }
}
