/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.discovery.DnsEndpoints;
import io.balancedllm.discovery.DnsResolver;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** This library with its defaults, over endpoints named by DNS. */
final class OwnBalancer implements Contender {
    private final Ticker ticker = Ticker.system();
    private final BalancedLlm llm;
    private volatile boolean dnsFails;

    OwnBalancer(List<FaultyWorker> workers, Duration limit) {
        List<DnsResolver.Found> found = workers.stream()
                .map(worker -> new DnsResolver.Found("127.0.0.1", worker.port(), 0, 1))
                .toList();
        DnsResolver resolver = (name, kind) -> {
            if (dnsFails) {
                throw new IOException("DNS is gone");
            }
            return new DnsResolver.Answer(found, DnsEndpoints.MIN_REFRESH);
        };
        BalancedLlm whole = BalancedLlm.builder()
                .pool(EndpointPool.builder().build())
                .closeGrace(Duration.ofMillis(100))
                .build();
        whole.pool()
                .source(
                        DnsEndpoints.services("workers").resolver(resolver).build(),
                        spec -> OpenAiBackend.at(spec.url()));
        llm = whole;
        options = CallOptions.builder().timeout(limit).build();
    }

    private final CallOptions options;

    @Override
    public Outcome send(String prompt, boolean streaming) {
        CompletionRequest request = CompletionRequest.builder()
                .prompt(prompt)
                .maxTokens(FaultWorkerCommand.TOKENS)
                .build();
        long start = ticker.nanos();
        StringBuilder text = new StringBuilder();
        Outcome.End end = Outcome.End.GOOD;
        try {
            if (streaming) {
                try (CompletionStream stream = llm.with(options).stream(request)) {
                    for (CompletionChunk chunk : stream) {
                        text.append(chunk.text());
                    }
                }
            } else {
                text.append(llm.with(options).complete(request).text());
            }
        } catch (LlmException e) {
            end = Outcome.End.FAILED;
        }
        return new Outcome(end, numbers(text), ticker.nanos() - start);
    }

    private static List<Integer> numbers(CharSequence text) {
        List<Integer> numbers = new ArrayList<>();
        for (String word : text.toString().strip().split(" ", -1)) {
            if (!word.isEmpty()) {
                numbers.add(Integer.valueOf(word));
            }
        }
        return numbers;
    }

    @Override
    public void dnsFails(boolean fails) {
        dnsFails = fails;
    }

    @Override
    public void close() {
        llm.close();
    }
}
