/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ProtocolException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection of a {@link MockLlmServer}: a thread reads requests, and between them waits for the client to go away;
 * another plays the answers.
 */
final class MockConnection {
    private static final Logger LOG = LoggerFactory.getLogger(MockLlmServer.class);

    private static final byte[] CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] BAD_REQUEST =
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    .getBytes(StandardCharsets.US_ASCII);

    private final Socket socket;
    private final int number;
    private final MockLlmServer server;
    private final Monitor monitor;
    // Under the monitor.
    private @Nullable Exchange current;
    private boolean gone;

    MockConnection(Socket socket, int number, MockLlmServer server, Monitor monitor) {
        this.socket = socket;
        this.number = number;
        this.server = server;
        this.monitor = monitor;
    }

    int number() {
        return number;
    }

    void read() {
        try {
            InputStream in = new BufferedInputStream(socket.getInputStream());
            for (int first = in.read(); first >= 0; first = in.read()) {
                monitor.awaitUninterruptibly(() -> current == null || gone);
                if (monitor.read(() -> gone)) {
                    return;
                }
                readRequest(first, in);
            }
        } catch (IOException e) {
            LOG.debug("connection {} ended: {}", number, e.toString());
        } finally {
            clientGone();
        }
    }

    private void readRequest(int first, InputStream in) throws IOException {
        OutputStream out = socket.getOutputStream();
        HttpReader.Head head;
        String body;
        try {
            head = HttpReader.head(first, in);
            if (head.expectsContinue()) {
                out.write(CONTINUE);
            }
            body = HttpReader.body(head, in);
        } catch (ProtocolException e) {
            out.write(BAD_REQUEST);
            socket.shutdownOutput();
            in.transferTo(OutputStream.nullOutputStream()); // closing with unread bytes would reset the answer away
            throw e;
        }
        ServedRequest request =
                new ServedRequest(head.method(), head.target(), head.headers(), body, number, monitor, server.ticker());
        monitor.update(() -> {
            current = new Exchange(request, server.receive(request), head.wantsClose());
        });
    }

    void write() {
        boolean open = true;
        while (open) {
            monitor.awaitUninterruptibly(() -> current != null || gone);
            Exchange exchange = monitor.<@Nullable Exchange>read(() -> current);
            open = exchange != null && answer(exchange);
        }
        close(false);
    }

    private boolean answer(Exchange exchange) {
        ServedRequest request = exchange.request();
        try {
            ScriptPlayer player = new ScriptPlayer(
                    exchange.response(),
                    request,
                    socket.getOutputStream(),
                    server.waits(),
                    () -> monitor.read(() -> gone));
            ScriptPlayer.Outcome outcome = player.play(exchange.last());
            monitor.update(() -> current = null);
            if (outcome != ScriptPlayer.Outcome.KEEP) {
                close(outcome == ScriptPlayer.Outcome.RESET);
            }
            return outcome == ScriptPlayer.Outcome.KEEP;
        } catch (IOException e) {
            LOG.debug("{} broken off by the client: {}", request, e.toString());
            request.clientGoneWhileWriting();
            return false;
        }
    }

    private void clientGone() {
        Exchange cut = monitor.<@Nullable Exchange>read(() -> {
            monitor.update(() -> gone = true);
            return current;
        });
        if (cut != null) {
            cut.request().clientGone();
        }
        close(false);
    }

    /** Breaks off what is in progress, by order of the server. */
    void abort(boolean reset) {
        Exchange cut = monitor.<@Nullable Exchange>read(() -> current);
        if (cut != null) {
            cut.request().ended(false);
        }
        monitor.update(() -> gone = true);
        close(reset);
    }

    private void close(boolean reset) {
        try {
            if (reset) {
                socket.setSoLinger(true, 0);
            }
            socket.close();
        } catch (IOException e) {
            LOG.debug("connection {} did not close cleanly: {}", number, e.toString());
        }
        monitor.update(() -> gone = true);
        server.closed(this);
    }

    /** A request, what makes its answer, and whether the connection ends with that. */
    private record Exchange(ServedRequest request, Function<ServedRequest, MockResponse> answer, boolean last) {
        MockResponse response() {
            try {
                return answer.apply(request);
            } catch (RuntimeException | AssertionError e) {
                LOG.warn("the dispatcher of this test failed on {}: {}", request, e.toString());
                return MockResponse.error(500, "the dispatcher failed: " + e, "server_error");
            }
        }
    }
}
