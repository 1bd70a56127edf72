/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Whole answers. */
final class CompletionJson {
    private CompletionJson() {}

    static Completion read(Operation operation, byte[] body) {
        Map<String, @Nullable Object> json = OpenAiJson.parseAnswer(body);
        LlmException error = ErrorJson.inBand(json);
        if (error != null) {
            throw error;
        }
        Fields fields = Fields.lenient(json);
        List<?> list = fields.list("choices");
        if (list == null) {
            throw OpenAiJson.protocol("the answer has no list of \"choices\"");
        }
        Completion.Builder completion =
                Completion.builder(operation).id(fields.string("id")).model(fields.string("model"));
        for (int i = 0; i < list.size(); i++) {
            Map<String, @Nullable Object> choice = Fields.asObject(list.get(i));
            if (choice == null) {
                throw OpenAiJson.protocol("\"choices[" + i + "]\" is no object");
            }
            completion.choice(readChoice(operation, Fields.lenient(choice), i));
        }
        completion.usage(UsageJson.take(fields));
        fields.dropIf("object", object(operation));
        return completion.extra(fields.rest()).build();
    }

    private static Choice readChoice(Operation operation, Fields fields, int position) {
        Integer index = fields.integer("index", 0);
        Message message;
        if (operation == Operation.CHAT) {
            Map<String, @Nullable Object> json = fields.object("message");
            if (json == null) {
                throw OpenAiJson.protocol("\"choices[" + position + "].message\" is missing");
            }
            message = MessageJson.readAnswered(json);
        } else {
            String text = fields.string("text");
            message = Message.assistant(text == null ? "" : text);
        }
        String finish = fields.word("finish_reason");
        return new Choice(
                index == null ? position : index,
                message,
                finish == null ? null : new FinishReason(finish),
                LogprobsJson.take(operation, fields),
                fields.rest());
    }

    static Map<String, @Nullable Object> write(Completion completion) {
        Operation operation = completion.operation();
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        completion.id().ifPresent(id -> json.put("id", id));
        envelope(json, completion.extra(), object(operation));
        completion.model().ifPresent(model -> json.put("model", model));
        List<Object> choices = new ArrayList<>(completion.choices().size());
        completion.choices().forEach(choice -> choices.add(writeChoice(operation, choice)));
        json.put("choices", choices);
        completion.usage().ifPresent(usage -> json.put("usage", UsageJson.write(usage, true)));
        Json.merge(json, completion.extra());
        return json;
    }

    private static Map<String, @Nullable Object> writeChoice(Operation operation, Choice choice) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("index", choice.index());
        if (operation == Operation.CHAT) {
            Map<String, @Nullable Object> message = MessageJson.write(choice.message());
            message.putIfAbsent("content", null); // clients read the field, null or not
            json.put("message", message);
        } else {
            json.put("text", choice.message().text());
        }
        json.put(
                "logprobs",
                choice.logprobs()
                        .map(found -> LogprobsJson.write(operation, found))
                        .orElse(null));
        json.put("finish_reason", choice.finishReason().map(FinishReason::value).orElse(null));
        Json.merge(json, choice.extra());
        return json;
    }

    /** Puts what every answer has: extra's own values, else standard ones (and 0 for a time that is not known). */
    static void envelope(
            Map<String, @Nullable Object> json, Map<String, ? extends @Nullable Object> extra, String object) {
        Object kind = extra.get("object");
        json.put("object", kind == null ? object : kind);
        Object created = extra.get("created");
        json.put("created", created == null ? (Object) 0L : created);
    }

    private static String object(Operation operation) {
        return operation == Operation.CHAT ? "chat.completion" : "text_completion";
    }
}
