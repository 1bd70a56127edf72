/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.ProbeResult;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** What the tests of the backend share. */
final class BackendTesting {
    static final int DEADLINE_SECONDS = 20;
    static final String STREAM_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    static final CompletionRequest REQUEST =
            CompletionRequest.builder("m").user("hi").build();

    private BackendTesting() {}

    static final String STREAM_HEAD_LENGTH = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ";

    static void keepAlive(Socket socket, String head, String body) throws IOException {
        socket.getOutputStream().write((head + body.length() + "\r\n\r\n" + body).getBytes(StandardCharsets.UTF_8));
        socket.getOutputStream().flush();
    }

    static void reset(Socket socket) throws IOException {
        socket.setSoLinger(true, 0);
        socket.close();
    }

    static RecordingSink run(OpenAiBackend backend, CompletionRequest request) throws InterruptedException {
        RecordingSink sink = new RecordingSink();
        backend.start(Attempt.of(request), sink).request(Integer.MAX_VALUE);
        return sink;
    }

    static ProbeResult probe(OpenAiBackend backend) throws Exception {
        return backend.probe(Duration.ofSeconds(DEADLINE_SECONDS))
                .toCompletableFuture()
                .get(DEADLINE_SECONDS, TimeUnit.SECONDS);
    }

    static String chunk(String text, @org.jspecify.annotations.Nullable String finish) {
        return "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + text + "\"},\"finish_reason\":"
                + (finish == null ? "null" : "\"" + finish + "\"") + "}]}\n\n";
    }

    static String done() {
        return "data: [DONE]\n\n";
    }
}
