/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.openai.OpenAiJson;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.StatusCodes;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;

/** Whole responses: JSON bodies, text, and errors in the form of the OpenAI wire. */
final class Replies {
    private static final String JSON = "application/json";
    private static final String METRICS = "text/plain; version=0.0.4; charset=utf-8";

    private Replies() {}

    static void json(HttpServerExchange exchange, byte[] body) {
        send(exchange, StatusCodes.OK, JSON, body);
    }

    static void metrics(HttpServerExchange exchange, String text) {
        send(exchange, StatusCodes.OK, METRICS, text.getBytes(StandardCharsets.UTF_8));
    }

    static void error(HttpServerExchange exchange, LlmException failure) {
        failure.retryAfter()
                .map(Replies::wholeSeconds)
                .ifPresent(seconds -> exchange.getResponseHeaders().put(Headers.RETRY_AFTER, seconds));
        send(exchange, OpenAiJson.statusOf(failure), JSON, OpenAiJson.writeError(failure));
    }

    static void error(HttpServerExchange exchange, int status, String message) {
        Reason reason = status >= StatusCodes.INTERNAL_SERVER_ERROR ? Reason.UNAVAILABLE : Reason.INVALID_REQUEST;
        LlmException failure =
                LlmException.builder(reason, message).statusCode(status).build();
        send(exchange, status, JSON, OpenAiJson.writeError(failure));
    }

    /** Answers a request for a path that is not there, or by a method that does not work there. */
    static void notFound(HttpServerExchange exchange, Set<String> paths) {
        boolean known = paths.contains(exchange.getRequestPath());
        error(
                exchange,
                known ? StatusCodes.METHOD_NOT_ALLOWED : StatusCodes.NOT_FOUND,
                known
                        ? exchange.getRequestMethod() + " does not work on " + exchange.getRequestPath()
                        : "no such path: this worker serves " + String.join(", ", paths));
    }

    private static void send(HttpServerExchange exchange, int status, String type, byte[] body) {
        exchange.setStatusCode(status);
        exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, type);
        exchange.getResponseSender().send(ByteBuffer.wrap(body));
    }

    private static long wholeSeconds(Duration duration) {
        return duration.plusSeconds(1).minusNanos(1).toSeconds();
    }
}
