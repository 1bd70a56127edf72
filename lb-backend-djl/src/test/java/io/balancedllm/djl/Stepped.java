/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Prompt;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** A backend of a reference model on a clock moved by its steps alone, stepped by the test. */
final class Stepped implements AutoCloseable {
    static final String MODEL = "gpt2-tiny-a";

    final AtomicLong now = new AtomicLong();
    final TimedKernel kernel;
    final Gpt2Backend backend;

    Stepped(EngineOptions options) {
        this(options, Golden.model(MODEL, KernelChoice.PLAIN_JAVA));
    }

    Stepped(EngineOptions options, Gpt2Model model) {
        kernel = new TimedKernel(model.kernel(), now);
        backend = new Gpt2Backend("tiny", model.withKernel(kernel), options, now::get);
    }

    RecordingSink start(CompletionRequest request) {
        return start(request, 0, null);
    }

    RecordingSink start(CompletionRequest request, int priority, @Nullable Duration remaining) {
        RecordingSink sink = new RecordingSink();
        begin(request, priority, remaining, sink).request(Integer.MAX_VALUE);
        return sink;
    }

    Generation begin(CompletionRequest request, int priority, @Nullable Duration remaining, RecordingSink sink) {
        CallOptions options = CallOptions.builder().priority(priority).build();
        return backend.start(new Attempt<>(request, options, "call", 1, Map.of(), remaining), sink);
    }

    Completion run(CompletionRequest request) {
        RecordingSink sink = start(request);
        runAll();
        return sink.completion();
    }

    int cached(CompletionRequest request) {
        return run(request).usage().orElseThrow().cachedTokens().orElseThrow();
    }

    void step(int count) {
        for (int i = 0; i < count; i++) {
            backend.engine().step();
        }
    }

    void runAll() {
        boolean worked = true;
        while (worked) {
            worked = backend.engine().step();
        }
    }

    /** {@return what the model answers when nothing is batched, cached or interrupted} */
    static String alone(int[] prompt, int count) {
        try (Gpt2Model model = Golden.model(MODEL, KernelChoice.PLAIN_JAVA)) {
            return model.tokenizer().decode(model.greedy(prompt, count), true);
        }
    }

    /** {@return a greedy request that goes on past end-of-text} */
    static CompletionRequest greedy(int[] prompt, int count) {
        return CompletionRequest.builder()
                .prompt(new Prompt.Tokens(prompt))
                .extra(Map.of("ignore_eos", true))
                .temperature(0)
                .maxTokens(count)
                .build();
    }

    /** {@return some prompt of this length, another one for each seed} */
    static int[] prompt(int length, int seed) {
        int[] ids = new int[length];
        Arrays.setAll(ids, i -> (i * 7 + seed * 31 + i * i % 11) % 500);
        return ids;
    }

    @Override
    public void close() {
        backend.close();
    }
}
