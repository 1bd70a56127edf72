/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.Logprobs;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.TokenLogprob;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Log probabilities in the form of chats (a list under {@code content}) and in the older one of plain prompts (parallel
 * lists). llama.cpp uses the first for both; an empty {@code content} in extra then marks the form.
 */
final class LogprobsJson {
    private static final String CONTENT = "content";
    private static final String TOKENS = "tokens";
    private static final String PROBABILITIES = "token_logprobs";
    private static final String TOP = "top_logprobs";
    private static final String OFFSETS = "text_offset";

    private LogprobsJson() {}

    /** Takes {@code logprobs} when it is an object; null otherwise. */
    static @Nullable Logprobs take(Operation operation, Fields parent) {
        Map<String, @Nullable Object> json = parent.object("logprobs");
        if (json == null) {
            return null;
        }
        if (json.get(CONTENT) instanceof List<?> content) {
            List<TokenLogprob> tokens = content(content);
            if (tokens.isEmpty()) {
                return new Logprobs(List.of(), json);
            }
            json.remove(CONTENT);
            if (operation == Operation.TEXT) {
                json.put(CONTENT, List.of());
            }
            return new Logprobs(tokens, json);
        }
        Fields.lenient(json).string(CONTENT);
        return new Logprobs(parallel(json), json);
    }

    private static List<TokenLogprob> content(List<?> content) {
        List<TokenLogprob> tokens = new ArrayList<>(content.size());
        for (Object element : content) {
            TokenLogprob token = token(element);
            if (token == null) {
                return List.of();
            }
            tokens.add(token);
        }
        return tokens;
    }

    private static @Nullable TokenLogprob token(@Nullable Object element) {
        Map<String, @Nullable Object> json = Fields.asObject(element);
        Double logprob = json == null ? null : Fields.asDouble(json.get("logprob"));
        if (json == null || logprob == null || !(json.get("token") instanceof String text)) {
            return null;
        }
        Map<String, @Nullable Object> rest = new LinkedHashMap<>(json);
        rest.remove("token");
        rest.remove("logprob");
        List<TokenLogprob> top = List.of();
        if (json.get(TOP) instanceof List<?> list && !list.isEmpty()) {
            top = content(list);
            if (top.isEmpty()) {
                return null;
            }
            rest.remove(TOP);
        }
        return new TokenLogprob(text, logprob, top, rest);
    }

    /** {@return the tokens of the parallel lists, which are then taken; empty when they do not fit each other} */
    private static List<TokenLogprob> parallel(Map<String, @Nullable Object> json) {
        if (!(json.get(TOKENS) instanceof List<?> texts)
                || !(json.get(PROBABILITIES) instanceof List<?> probabilities)
                || texts.isEmpty()
                || texts.size() != probabilities.size()) {
            return List.of();
        }
        List<?> offsets = json.get(OFFSETS) instanceof List<?> list && list.size() == texts.size() ? list : null;
        List<?> top = json.get(TOP) instanceof List<?> list
                        && list.size() == texts.size()
                        && list.stream()
                                .anyMatch(alternatives -> alternatives instanceof Map<?, ?> map && !map.isEmpty())
                ? list
                : null;
        List<TokenLogprob> tokens = new ArrayList<>(texts.size());
        for (int i = 0; i < texts.size(); i++) {
            Double logprob = Fields.asDouble(probabilities.get(i));
            List<TokenLogprob> alternatives = top == null ? List.of() : alternatives(top.get(i));
            if (!(texts.get(i) instanceof String text) || logprob == null || alternatives == null) {
                return List.of();
            }
            Map<String, @Nullable Object> extra = new LinkedHashMap<>();
            if (offsets != null) {
                extra.put(OFFSETS, offsets.get(i));
            }
            tokens.add(new TokenLogprob(text, logprob, alternatives, extra));
        }
        json.remove(TOKENS);
        json.remove(PROBABILITIES);
        if (offsets != null) {
            json.remove(OFFSETS);
        }
        if (top != null) {
            json.remove(TOP);
        }
        return tokens;
    }

    private static @Nullable List<TokenLogprob> alternatives(@Nullable Object element) {
        Map<String, @Nullable Object> json = Fields.asObject(element);
        if (json == null) {
            return null;
        }
        List<TokenLogprob> alternatives = new ArrayList<>(json.size());
        for (Map.Entry<String, @Nullable Object> entry : json.entrySet()) {
            Double logprob = Fields.asDouble(entry.getValue());
            if (logprob == null) {
                return null;
            }
            alternatives.add(new TokenLogprob(entry.getKey(), logprob, List.of(), Map.of()));
        }
        alternatives.sort(Comparator.comparingDouble(TokenLogprob::logprob).reversed());
        return alternatives;
    }

    static Map<String, @Nullable Object> write(Operation operation, Logprobs logprobs) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        if (!logprobs.tokens().isEmpty()) {
            if (operation == Operation.CHAT || logprobs.extra().containsKey(CONTENT)) {
                json.put(
                        CONTENT,
                        logprobs.tokens().stream().map(LogprobsJson::write).toList());
            } else {
                writeParallel(json, logprobs.tokens());
            }
        }
        Json.merge(json, logprobs.extra());
        return json;
    }

    private static Map<String, @Nullable Object> write(TokenLogprob token) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("token", token.token());
        json.put("logprob", token.logprob());
        if (!token.top().isEmpty()) {
            json.put(TOP, token.top().stream().map(LogprobsJson::write).toList());
        }
        Json.merge(json, token.extra());
        return json;
    }

    private static void writeParallel(Map<String, @Nullable Object> json, List<TokenLogprob> tokens) {
        json.put(TOKENS, tokens.stream().map(TokenLogprob::token).toList());
        json.put(PROBABILITIES, tokens.stream().map(TokenLogprob::logprob).toList());
        if (tokens.stream().anyMatch(token -> !token.top().isEmpty())) {
            json.put(TOP, tokens.stream().map(LogprobsJson::writeAlternatives).toList());
        }
        if (tokens.stream().allMatch(token -> token.extra().get(OFFSETS) != null)) {
            json.put(
                    OFFSETS,
                    tokens.stream().map(token -> token.extra().get(OFFSETS)).toList());
        }
    }

    private static Map<String, @Nullable Object> writeAlternatives(TokenLogprob token) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        token.top().forEach(alternative -> json.put(alternative.token(), alternative.logprob()));
        return json;
    }
}
