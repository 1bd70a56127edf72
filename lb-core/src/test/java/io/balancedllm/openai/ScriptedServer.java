/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A loopback server whose script gets each request and the bare socket. */
final class ScriptedServer implements AutoCloseable {
    /** What to do with a request. */
    interface Script {
        void answer(Request request, Socket socket) throws Exception;
    }

    /** A request: which connection it came on (from 1), which request of the server it is (from 1), its text. */
    record Request(int connection, int number, String head, String body) {}

    final List<Request> requests = new CopyOnWriteArrayList<>();
    private final ServerSocket listener;
    private final Script script;
    private final AtomicInteger connections = new AtomicInteger();
    private final List<Socket> sockets = new CopyOnWriteArrayList<>();

    ScriptedServer(Script script) throws IOException {
        this.script = script;
        listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        daemon(this::accept);
    }

    /** Answers every request with these bytes and closes the connection. */
    static ScriptedServer always(byte[] response) throws IOException {
        return new ScriptedServer((request, socket) -> {
            socket.getOutputStream().write(response);
            socket.getOutputStream().flush();
            socket.shutdownOutput();
            drain(socket.getInputStream());
            socket.close();
        });
    }

    static ScriptedServer always(String response) throws IOException {
        return always(response.getBytes(StandardCharsets.UTF_8));
    }

    String url() {
        return "http://127.0.0.1:" + listener.getLocalPort();
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                Socket socket = listener.accept();
                sockets.add(socket);
                int number = connections.incrementAndGet();
                daemon(() -> serve(socket, number));
            } catch (IOException e) {
                return; // closed
            }
        }
    }

    private void serve(Socket socket, int connection) {
        try {
            InputStream in = new BufferedInputStream(socket.getInputStream());
            while (!socket.isClosed() && !socket.isOutputShutdown()) {
                Request request = read(in, connection);
                if (request == null) {
                    return;
                }
                script.answer(request, socket);
            }
        } catch (Exception e) {
            close(socket); // the client went, or the script is over
        }
    }

    private @Nullable Request read(InputStream in, int connection) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        while (!head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
            int next = in.read();
            if (next < 0) {
                return null;
            }
            head.write(next);
        }
        String text = head.toString(StandardCharsets.ISO_8859_1);
        int length = 0;
        for (String line : text.lines().toList()) {
            if (line.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
                length = Integer.parseInt(line.substring(15).trim());
            }
        }
        String body = new String(in.readNBytes(length), StandardCharsets.UTF_8);
        Request request = new Request(connection, requests.size() + 1, text, body);
        requests.add(request);
        return request;
    }

    /** Reads until the peer closes; an error is a close, too. */
    static void drain(InputStream in) {
        try {
            in.transferTo(OutputStream.nullOutputStream());
        } catch (IOException e) {
            return; // reset by the peer
        }
    }

    private static void close(Socket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void daemon(Runnable task) {
        Thread thread = new Thread(task, "scripted-server");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        sockets.forEach(ScriptedServer::close);
    }
}
