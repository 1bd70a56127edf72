/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Scheduler.Timer;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.xnio.IoUtils;

/**
 * Server-sent events over a blocking exchange. A write returns when the socket has taken the event, so a slow client
 * slows down whoever writes. A client that takes nothing for {@link #STALL} is disconnected. Used by one thread.
 */
final class EventStream {
    /** How long one event may wait for its reader, as long as the balancer's own limit. */
    static final Duration STALL = Duration.ofSeconds(60);

    private static final byte[] PREFIX = "data: ".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] SUFFIX = "\n\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] DONE = "[DONE]".getBytes(StandardCharsets.US_ASCII);

    private final HttpServerExchange exchange;
    private final OutputStream body;
    private final Scheduler timers;

    private EventStream(HttpServerExchange exchange, Scheduler timers) {
        this.exchange = exchange;
        this.body = exchange.getOutputStream();
        this.timers = timers;
    }

    /** Begins a response whose head goes out with the first event. */
    static EventStream begin(HttpServerExchange exchange, Scheduler timers) {
        exchange.getResponseHeaders()
                .put(Headers.CONTENT_TYPE, "text/event-stream; charset=utf-8")
                .put(Headers.CACHE_CONTROL, "no-cache");
        return new EventStream(exchange, timers);
    }

    /** Writes an event and waits until the socket has taken it. */
    void event(String json) throws IOException {
        write(json.getBytes(StandardCharsets.UTF_8));
        flush();
    }

    /** Writes the end mark and ends the response. */
    void done() throws IOException {
        write(DONE);
        Timer stall = stallTimer();
        try {
            body.close();
        } finally {
            stall.cancel();
        }
    }

    /** Writes an error as the last event and breaks the connection, so that nobody takes the answer for whole. */
    void fail(String error) throws IOException {
        exchange.setPersistent(false);
        event(error);
        IoUtils.safeClose(exchange.getConnection());
    }

    private void write(byte[] data) throws IOException {
        body.write(PREFIX);
        body.write(data);
        body.write(SUFFIX);
    }

    private void flush() throws IOException {
        Timer stall = stallTimer();
        try {
            body.flush();
        } finally {
            stall.cancel();
        }
    }

    private Timer stallTimer() {
        return timers.schedule("client stall", STALL.toNanos(), () -> IoUtils.safeClose(exchange.getConnection()));
    }
}
