/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.time.Scheduler;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * HTTP/1.1 for small JSON requests, one on each connection. Written out because what matters here is its bounds, which
 * the JDK's own server leaves open or sets for the whole process: connections, the time from accept to answer, and the
 * sizes of head and body. Whoever exceeds one is cut off and costs a thread for {@link #LIMIT} at most.
 */
final class RegistrarServer {
    /** Connections at a time; more are closed at once. */
    static final int MAX_CONNECTIONS = 64;
    /** From accept to answer. */
    static final Duration LIMIT = Duration.ofSeconds(5);

    static final int MAX_HEAD_BYTES = 8 << 10;
    static final int MAX_BODY_BYTES = 256 << 10;

    private static final Logger LOG = LoggerFactory.getLogger(EndpointRegistrar.class);
    private static final int BACKLOG = 128;
    private static final int IDLE_SECONDS = 10;

    /** A request; the method and path are as they came. */
    @SuppressWarnings("ArrayRecordComponent") // handed on once, never compared
    record Request(String method, String path, String authorization, InetAddress peer, byte[] body) {}

    /** An answer in JSON. */
    @SuppressWarnings("ArrayRecordComponent") // written once, never compared
    record Reply(int status, byte[] body) {}

    /** Answers requests; does not throw. */
    @FunctionalInterface
    interface Handler {
        Reply answer(Request request);
    }

    private final ServerSocket listener;
    private final Handler handler;
    private final Scheduler scheduler;
    private final Warnings warnings;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final ThreadPoolExecutor threads = new ThreadPoolExecutor(
            0, MAX_CONNECTIONS, IDLE_SECONDS, TimeUnit.SECONDS, new SynchronousQueue<>(), task -> daemon(task));

    RegistrarServer(InetSocketAddress address, Handler handler, Scheduler scheduler, Warnings warnings)
            throws IOException {
        this.handler = handler;
        this.scheduler = scheduler;
        this.warnings = warnings;
        listener = new ServerSocket();
        try {
            listener.bind(address, BACKLOG);
        } catch (IOException e) {
            listener.close();
            throw e;
        }
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "balancedllm-registrar");
        thread.setDaemon(true);
        return thread;
    }

    void start() {
        daemon(this::accept).start();
    }

    int port() {
        return listener.getLocalPort();
    }

    private void accept() {
        while (!listener.isClosed()) {
            Socket socket;
            try {
                socket = listener.accept();
            } catch (IOException e) {
                if (!listener.isClosed()) {
                    warnings.warn("accept", "the registrar cannot accept connections: " + e);
                }
                continue;
            }
            open.add(socket);
            try {
                threads.execute(() -> serve(socket));
            } catch (RejectedExecutionException e) {
                warnings.warn(
                        "flood", "more than " + MAX_CONNECTIONS + " connections at the registrar: one was closed");
                drop(socket);
            }
        }
    }

    private void serve(Socket socket) {
        Scheduler.Timer limit = scheduler.schedule("registrar request", LIMIT.toNanos(), () -> drop(socket));
        try {
            socket.setSoTimeout((int) LIMIT.toMillis());
            Reply reply = read(socket.getInputStream(), socket.getInetAddress());
            write(socket, reply);
        } catch (IOException e) {
            LOG.debug("a request from {} was not finished: {}", socket.getInetAddress(), e.toString());
        } finally {
            limit.cancel();
            drop(socket);
        }
    }

    private Reply read(InputStream in, InetAddress peer) throws IOException {
        String head = head(in);
        String[] lines = head.split("\r\n", -1);
        String[] first = lines[0].split(" ", -1);
        if (first.length != 3 || !first[2].startsWith("HTTP/1.")) {
            return EndpointRegistrar.refusal(400, "this is no HTTP/1.1 request");
        }
        String authorization = "";
        long length = 0;
        for (String line : lines) {
            String lower = line.toLowerCase(Locale.ROOT);
            if (lower.startsWith("authorization:")) {
                authorization = line.substring("authorization:".length()).strip();
            } else if (lower.startsWith("content-length:")) {
                length = length(lower.substring("content-length:".length()).strip());
            } else if (lower.startsWith("transfer-encoding:")) {
                return EndpointRegistrar.refusal(411, "send a Content-Length");
            }
        }
        if (length < 0 || length > MAX_BODY_BYTES) {
            return EndpointRegistrar.refusal(413, "a body has at most " + MAX_BODY_BYTES + " bytes");
        }
        byte[] body = in.readNBytes((int) length);
        if (body.length < length) {
            throw new IOException("the body ended early");
        }
        return handler.answer(new Request(first[0], first[1], authorization, peer, body));
    }

    private static long length(String text) {
        return text.matches("[0-9]{1,9}") ? Long.parseLong(text) : -1;
    }

    private static String head(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        int end = 0; // how much of \r\n\r\n has come
        while (end < 4) {
            int next = in.read();
            if (next < 0 || head.size() >= MAX_HEAD_BYTES) {
                throw new IOException(next < 0 ? "the head ended early" : "the head is too large");
            }
            head.write(next);
            end = next == (end % 2 == 0 ? '\r' : '\n') ? end + 1 : next == '\r' ? 1 : 0;
        }
        return head.toString(StandardCharsets.ISO_8859_1);
    }

    private static void write(Socket socket, Reply reply) throws IOException {
        String head = "HTTP/1.1 " + reply.status() + " " + (reply.status() < 300 ? "OK" : "Refused")
                + "\r\nContent-Type: application/json\r\nContent-Length: " + reply.body().length
                + "\r\nConnection: close\r\n\r\n";
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(head.getBytes(StandardCharsets.US_ASCII));
        out.writeBytes(reply.body());
        socket.getOutputStream().write(out.toByteArray());
        socket.getOutputStream().flush();
    }

    private void drop(Socket socket) {
        open.remove(socket);
        try {
            socket.close();
        } catch (IOException e) {
            LOG.debug("closing a connection failed", e);
        }
    }

    void close() {
        try {
            listener.close();
        } catch (IOException e) {
            LOG.debug("closing the registrar's socket failed", e);
        }
        threads.shutdown();
        open.forEach(this::drop);
    }
}
