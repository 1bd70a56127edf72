/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.ContentPart;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.SamplingOptions;
import io.balancedllm.prefix.PromptBlocks;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A completion request in terms of the model: prompts as ids, limits and options. What cannot be honoured is refused. */
record Gpt2Request(
        List<Prepared> prompts,
        int n,
        int maxNewTokens,
        SamplingOptions sampling,
        List<String> stop,
        int topLogprobs,
        boolean ignoreEnd,
        String cacheSalt) {
    static final int MAX_STOPS = 16;
    static final int MAX_STOP_LENGTH = 1_024;
    static final int MAX_TOP_LOGPROBS = 20;

    /** Fields of the OpenAI wire and its extensions that would change the answer; others are ignored. */
    private static final Set<String> UNSUPPORTED = Set.of(
            "allowed_token_ids",
            "audio",
            "bad_words",
            "best_of",
            "echo",
            "function_call",
            "functions",
            "grammar",
            "guided_choice",
            "guided_grammar",
            "guided_json",
            "guided_regex",
            "json_schema",
            "logit_bias",
            "min_tokens",
            "modalities",
            "prompt_logprobs",
            "regex",
            "stop_token_ids",
            "structured_outputs",
            "suffix",
            "use_beam_search");

    /** One prompt as ids, and as blocks of the prefix cache. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Prepared(int[] ids, PromptBlocks blocks) {}

    /** Translates a request, or throws an {@link LlmException} that names the field at fault. */
    static Gpt2Request of(CompletionRequest request, Gpt2Model model, String modelName) {
        checkModel(request.model().orElse(modelName), modelName);
        refuseUnsupported(request);
        int alternatives = request.topLogprobs().orElse(-1);
        if (alternatives > MAX_TOP_LOGPROBS) {
            throw invalid("top_logprobs is " + alternatives + "; at most " + MAX_TOP_LOGPROBS + " are reported");
        }
        List<Prepared> prompts = prepared(request, model);
        int maxNewTokens = request.maxTokens().orElse(Gpt2Backend.DEFAULT_MAX_TOKENS);
        if (maxNewTokens < 1) {
            throw invalid("max_tokens is " + maxNewTokens + "; at least 1 new token must be allowed");
        }
        return new Gpt2Request(
                prompts,
                request.n(),
                maxNewTokens,
                request.sampling(),
                stops(request),
                alternatives,
                Boolean.TRUE.equals(request.extra().get("ignore_eos")),
                cacheSalt(request));
    }

    /** Translates an embedding request, or throws an {@link LlmException} that names the field at fault. */
    static Gpt2Request of(EmbeddingRequest request, Gpt2Model model, String modelName) {
        checkModel(request.model().orElse(modelName), modelName);
        int width = model.config().width();
        int dimensions = request.dimensions().orElse(width);
        if (dimensions != width) {
            throw new LlmException(
                    Reason.UNSUPPORTED, "dimensions is " + dimensions + "; the vectors of this model have " + width);
        }
        return new Gpt2Request(
                prepared(request.input(), "", model), 1, 0, SamplingOptions.DEFAULT, List.of(), -1, true, "");
    }

    /** {@return whether states are wanted rather than text} */
    boolean embeds() {
        return maxNewTokens == 0;
    }

    private static void checkModel(String asked, String modelName) {
        if (!asked.equals(modelName)) {
            throw new LlmException(
                    Reason.MODEL_NOT_FOUND, "model " + asked + " is not served here; " + modelName + " is");
        }
    }

    /** {@return the prompts of a request as the model is fed with them} Throws what {@link #of} throws about prompts. */
    static List<Prepared> prepared(CompletionRequest request, Gpt2Model model) {
        return prepared(request.prompt(), cacheSalt(request), model);
    }

    private static List<Prepared> prepared(Prompt prompt, String salt, Gpt2Model model) {
        return prompts(prompt, model).stream()
                .map(ids -> {
                    check(ids, model);
                    return new Prepared(ids, PrefixCache.blocks(ids, salt));
                })
                .toList();
    }

    /** What vLLM calls {@code cache_salt}: only prompts with the same one share what was computed. */
    private static String cacheSalt(CompletionRequest request) {
        Object salt = request.extra().get("cache_salt");
        return salt == null ? "" : salt.toString();
    }

    private static void refuseUnsupported(CompletionRequest request) {
        if (!request.tools().isEmpty()) {
            throw unsupported("tools");
        }
        Object format = request.responseFormat().map(map -> map.get("type")).orElse("text");
        if (!"text".equals(format)) {
            throw unsupported("response_format " + format);
        }
        for (Map.Entry<String, @Nullable Object> field : request.extra().entrySet()) {
            if (UNSUPPORTED.contains(field.getKey()) && !neutral(field.getKey(), field.getValue())) {
                throw unsupported(field.getKey());
            }
        }
    }

    /** Whether a field says nothing: null, false, nothing in it, or a number that is its default. */
    private static boolean neutral(String field, @Nullable Object value) {
        if (value instanceof Number number) {
            return number.doubleValue() == (field.equals("best_of") ? 1 : 0);
        }
        return value == null
                || value.equals(false)
                || value.equals("")
                || (value instanceof Collection<?> list && list.isEmpty())
                || (value instanceof Map<?, ?> map && map.isEmpty())
                || (field.equals("modalities") && value.equals(List.of("text")));
    }

    private static List<String> stops(CompletionRequest request) {
        List<String> stops = request.stop();
        if (stops.size() > MAX_STOPS) {
            throw invalid("stop has " + stops.size() + " strings; at most " + MAX_STOPS + " are watched for");
        }
        for (String stop : stops) {
            if (stop.length() > MAX_STOP_LENGTH) {
                throw invalid("stop has a string of " + stop.length() + " characters; at most " + MAX_STOP_LENGTH
                        + " are watched for");
            }
        }
        return stops;
    }

    private static List<int[]> prompts(Prompt prompt, Gpt2Model model) {
        if (prompt instanceof Prompt.Chat chat) {
            return List.of(chat(chat.messages(), model));
        }
        if (prompt instanceof Prompt.Text text) {
            return List.of(text(text.text(), model));
        }
        if (prompt instanceof Prompt.Texts texts) {
            return texts.texts().stream().map(text -> text(text, model)).toList();
        }
        return ((Prompt.Tokens) prompt).sequences();
    }

    /** An empty text starts a new document, as GPT-2 was trained. */
    private static int[] text(String text, Gpt2Model model) {
        return text.isEmpty()
                ? model.endTokens().stream().limit(1).mapToInt(id -> id).toArray()
                : encode(text, model);
    }

    /** The template that transformers has for GPT-2: each message's text, then end-of-text; roles are not rendered. */
    private static int[] chat(List<Message> messages, Gpt2Model model) {
        IntList ids = new IntList();
        for (Message message : messages) {
            if (!message.toolCalls().isEmpty()) {
                throw unsupported("a message with tool_calls");
            }
            for (ContentPart part : message.parts()) {
                if (part.text().isEmpty()) {
                    throw unsupported("a message part that is no text");
                }
            }
            ids.addAll(encode(message.text(), model));
            model.endTokens().stream().limit(1).forEach(ids::add);
        }
        return ids.toArray();
    }

    /** Refuses a text that cannot fit before spending time on it. */
    private static int[] encode(String text, Gpt2Model model) {
        if (text.length() / model.tokenizer().longestToken() > model.contextLength()) {
            throw tooLong("more than " + model.contextLength(), model);
        }
        return model.tokenizer().encode(text);
    }

    private static void check(int[] prompt, Gpt2Model model) {
        if (prompt.length == 0) {
            throw invalid("prompt has no tokens, and the model has no token to begin a document with");
        }
        if (prompt.length >= model.contextLength()) {
            throw tooLong(Integer.toString(prompt.length), model);
        }
        int vocabulary = model.config().vocabularySize();
        for (int id : prompt) {
            if (id < 0 || id >= vocabulary) {
                throw invalid("prompt has token id " + id + ", outside of the vocabulary of " + vocabulary);
            }
        }
    }

    private static LlmException tooLong(String tokens, Gpt2Model model) {
        return new LlmException(
                Reason.CONTEXT_LENGTH_EXCEEDED,
                "the prompt has " + tokens + " tokens; the context holds " + model.contextLength()
                        + " and at least one must be left for the answer: shorten the prompt");
    }

    private static LlmException invalid(String message) {
        return new LlmException(Reason.INVALID_REQUEST, message);
    }

    private static LlmException unsupported(String field) {
        return new LlmException(
                Reason.UNSUPPORTED,
                field + " is not supported by the in-process GPT-2: leave it out or ask another model");
    }
}
