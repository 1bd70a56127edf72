/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.console.Logs;
import io.undertow.Undertow;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** A server in this process that gives every completion the same streamed answer, at once. */
final class AnswerServer implements AutoCloseable {
    static final String MODEL = "echo";

    private static final String EVENT =
            "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"" + MODEL
                    + "\",\"choices\":[{\"index\":0,\"text\":\"%s\",\"logprobs\":null,\"finish_reason\":%s}]}\n\n";

    private final Undertow server;

    private AnswerServer(Undertow server) {
        this.server = server;
    }

    static AnswerServer start(int tokens) {
        Logs.sendUndertowToSlf4j();
        byte[] answer = answer(tokens).getBytes(StandardCharsets.UTF_8);
        Undertow server = Undertow.builder()
                .addHttpListener(0, "127.0.0.1")
                .setIoThreads(1)
                .setWorkerThreads(1)
                .setHandler(exchange -> handle(exchange, answer))
                .build();
        server.start();
        return new AnswerServer(server);
    }

    String url() {
        InetSocketAddress address =
                (InetSocketAddress) server.getListenerInfo().get(0).getAddress();
        return "http://127.0.0.1:" + address.getPort();
    }

    private static void handle(HttpServerExchange exchange, byte[] answer) {
        if (exchange.getRequestPath().equals("/v1/completions")) {
            exchange.getRequestReceiver().receiveFullBytes((received, body) -> {
                received.getResponseHeaders().put(Headers.CONTENT_TYPE, "text/event-stream");
                received.getResponseSender().send(ByteBuffer.wrap(answer));
            });
        } else {
            exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "application/json");
            exchange.getResponseSender()
                    .send("{\"object\":\"list\",\"data\":[{\"id\":\"" + MODEL + "\",\"object\":\"model\"}]}");
        }
    }

    private static String answer(int tokens) {
        StringBuilder body = new StringBuilder();
        for (int token = 1; token <= tokens; token++) {
            body.append(EVENT.formatted(" word", token == tokens ? "\"length\"" : "null"));
        }
        return body.append("data: [DONE]\n\n").toString();
    }

    @Override
    public void close() {
        server.stop();
    }
}
