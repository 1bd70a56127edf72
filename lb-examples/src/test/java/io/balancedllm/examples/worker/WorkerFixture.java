/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.LlmListener;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A worker over one replica, with clients that see the wire as it is. */
final class WorkerFixture implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(20);

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final BlockingQueue<CallEnd> ends = new LinkedBlockingQueue<>();
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final List<Connection> connections = new ArrayList<>();
    private final BalancedLlm llm;
    private final WorkerServer server;

    private WorkerFixture(LlmBackend backend) {
        Endpoint replica = Endpoint.of("replica", backend);
        llm = BalancedLlm.builder()
                .pool(EndpointPool.builder().add(replica).build())
                .listener(new Ends())
                .closeGrace(Duration.ofMillis(1))
                .build();
        try {
            server = WorkerServer.start(llm, List.of(replica), "127.0.0.1", 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static WorkerFixture over(LlmBackend backend) {
        return new WorkerFixture(backend);
    }

    static JsonNode json(String text) throws IOException {
        return MAPPER.readTree(text);
    }

    static List<String> events(String body) {
        return body.lines()
                .filter(line -> line.startsWith("data: "))
                .map(line -> line.substring("data: ".length()))
                .toList();
    }

    HttpResponse<String> post(String path, String body) throws Exception {
        return send(HttpRequest.newBuilder(uri(path)).POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    HttpResponse<String> get(String path) throws Exception {
        return send(HttpRequest.newBuilder(uri(path)));
    }

    private HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return http.send(request.timeout(PATIENCE).build(), HttpResponse.BodyHandlers.ofString());
    }

    private URI uri(String path) {
        return URI.create("http://127.0.0.1:" + server.port() + path);
    }

    /** Sends a request on a connection of its own and reads nothing yet. */
    Connection postRaw(String path, String body) throws IOException {
        Connection connection = new Connection(new Socket(InetAddress.getLoopbackAddress(), server.port()));
        connections.add(connection);
        connection.post(path, body);
        return connection;
    }

    CallEnd nextEnd() throws InterruptedException {
        CallEnd end = ends.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        if (end == null) {
            throw new AssertionError("no call ended within " + PATIENCE);
        }
        return end;
    }

    Thread drainInBackground() {
        Thread thread = new Thread(() -> {
            try {
                server.drain();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        thread.start();
        return thread;
    }

    /** Asks until the worker refuses; the time limit of the requests is the deadline. */
    void awaitRefusal() throws Exception {
        while (get("/health").statusCode() != 503) {
            Thread.onSpinWait();
        }
    }

    @Override
    public void close() {
        connections.forEach(Connection::close);
        llm.close();
        server.close();
    }

    private final class Ends implements LlmListener {
        @Override
        public CallListener callStarted(CallInfo call) {
            return new CallListener() {
                @Override
                public void ended(CallEnd end) {
                    ends.add(end);
                }
            };
        }
    }

    /** A socket with HTTP/1.1 spoken by hand. */
    static final class Connection implements AutoCloseable {
        private final Socket socket;
        private final BufferedReader reader;

        private Connection(Socket socket) throws IOException {
            this.socket = socket;
            socket.setSoTimeout((int) PATIENCE.toMillis());
            reader = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
        }

        void post(String path, String body) throws IOException {
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            String head = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    + "Content-Length: " + bytes.length + "\r\n\r\n";
            try {
                socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
                socket.getOutputStream().write(bytes);
            } catch (IOException e) {
                // A server that refuses a body does not read it to its end; its answer is what counts.
                socket.shutdownOutput();
            }
        }

        String statusLine() throws IOException {
            return String.valueOf(reader.readLine());
        }

        /** {@return the body of the next response, by its content-length} */
        String body() throws IOException {
            int length = -1;
            for (String line = statusLine(); !line.isEmpty(); line = statusLine()) {
                if (line.toLowerCase(java.util.Locale.ROOT).startsWith("content-length:")) {
                    length = Integer.parseInt(
                            line.substring("content-length:".length()).strip());
                }
            }
            char[] body = new char[length];
            int read = 0;
            while (read < length) {
                int count = reader.read(body, read, length - read);
                if (count < 0) {
                    throw new IOException("the body ended early");
                }
                read += count;
            }
            return new String(body);
        }

        List<String> eventsToTheEnd() throws IOException {
            StringBuilder all = new StringBuilder();
            try {
                for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                    all.append(line).append('\n');
                }
            } catch (java.net.SocketException reset) {
                all.append("(reset)");
            }
            return events(all.toString());
        }

        @Override
        public void close() {
            try {
                socket.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
