/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.databind.JsonNode;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Prompt;
import io.balancedllm.endpoint.Attempt;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;

/** A backend of a reference model, driven step by step on the thread of the test. */
abstract class Gpt2Scene {
    static final JsonNode NUMBERS = Golden.numbers("gpt2-tiny-a");

    final AtomicLong now = new AtomicLong();
    Gpt2Backend backend = backend(Gpt2Backend.builder(Golden.path("gpt2-tiny-a")));

    @AfterEach
    void close() {
        backend.close();
    }

    Gpt2Backend backend(Gpt2Backend.Builder builder) {
        return builder.modelName("tiny").buildStopped(now::get);
    }

    RecordingSink start(CompletionRequest request) {
        RecordingSink sink = new RecordingSink();
        backend.start(Attempt.of(request), sink).request(Integer.MAX_VALUE);
        return sink;
    }

    Completion run(CompletionRequest request) {
        RecordingSink sink = start(request);
        runAll();
        return sink.completion();
    }

    void runAll() {
        while (backend.engine().step()) {
            now.addAndGet(1_000_000);
        }
    }

    String text(int[] ids) {
        return backend.model().tokenizer().decode(ids, true);
    }

    static CompletionRequest greedy(JsonNode prompt, int count) {
        return endless(Golden.ints(prompt.path("ids")))
                .temperature(0)
                .maxTokens(count)
                .build();
    }

    static CompletionRequest.Builder ids(int... prompt) {
        return CompletionRequest.builder().prompt(new Prompt.Tokens(prompt));
    }

    static CompletionRequest.Builder endless(int... prompt) {
        return ids(prompt).extra(Map.of("ignore_eos", true));
    }
}
