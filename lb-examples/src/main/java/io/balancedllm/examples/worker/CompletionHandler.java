/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import io.balancedllm.openai.OpenAiJson;
import io.balancedllm.time.Scheduler;
import io.undertow.server.HttpServerExchange;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Answers {@code /v1/chat/completions} or {@code /v1/completions}, streamed or whole, on a thread that may block. */
final class CompletionHandler {
    private static final Logger LOG = LoggerFactory.getLogger(CompletionHandler.class);

    private final Operation operation;
    private final BalancedLlm llm;
    private final Scheduler timers;

    CompletionHandler(Operation operation, BalancedLlm llm, Scheduler timers) {
        this.operation = operation;
        this.llm = llm;
        this.timers = timers;
    }

    void answer(HttpServerExchange exchange, byte[] body) throws IOException {
        try {
            Served asked = Served.read(operation, body);
            if (asked.stream()) {
                stream(exchange, asked);
            } else {
                whole(exchange, asked);
            }
        } catch (LlmException e) {
            Replies.error(exchange, e);
        }
    }

    private void whole(HttpServerExchange exchange, Served asked) {
        CompletableFuture<Completion> future = llm.completeAsync(asked.request());
        Disconnect watch = Disconnect.watch(exchange, () -> future.cancel(true));
        Completion answer;
        try {
            answer = future.join();
        } catch (CancellationException e) {
            LOG.debug("the client left before its answer was whole");
            exchange.endExchange();
            return;
        } catch (CompletionException e) {
            if (e.getCause() instanceof LlmException failure) {
                throw failure;
            }
            throw e;
        } finally {
            watch.end();
        }
        Replies.json(exchange, OpenAiJson.writeCompletion(answer));
    }

    private void stream(HttpServerExchange exchange, Served asked) throws IOException {
        try (CompletionStream stream = llm.stream(asked.request())) {
            Disconnect watch = Disconnect.watch(exchange, stream::close);
            try {
                stream(exchange, asked, stream.iterator(), watch);
            } finally {
                watch.end();
            }
        } catch (IOException e) {
            LOG.debug("the client left in the middle of its answer", e);
            exchange.endExchange();
        }
    }

    private void stream(HttpServerExchange exchange, Served asked, Iterator<CompletionChunk> chunks, Disconnect watch)
            throws IOException {
        boolean any = chunks.hasNext(); // a failure before the first chunk still has a status of its own
        EventStream events = EventStream.begin(exchange, timers);
        try {
            while (any) {
                write(events, asked.event(chunks.next()));
                any = chunks.hasNext();
            }
        } catch (LlmException e) {
            watch.end();
            events.fail(new String(OpenAiJson.writeError(e), StandardCharsets.UTF_8));
            return;
        }
        write(events, asked.usageEvent());
        watch.end();
        events.done();
    }

    private static void write(EventStream events, Optional<String> event) throws IOException {
        if (event.isPresent()) {
            events.event(event.get());
        }
    }
}
