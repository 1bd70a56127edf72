/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An OpenAI-compatible server on a real loopback socket that does what the test says: answers well, late, in pieces, in
 * part, wrongly or never. Says what it was asked, and when its clients went away. Thread-safe.
 *
 * <pre>{@code
 * try (MockLlmServer server = MockLlmServer.start()) {            // well-behaved unless told otherwise
 *     server.enqueue(MockResponse.chat("Once", " upon").cutBefore("[DONE]"));
 *     LlmBackend backend = OpenAiBackend.at(server.url()); ...
 * }
 * }</pre>
 *
 * <p>A request is answered by the first of: what {@link #on} says for its path; for a POST, the next of {@link #enqueue};
 * the function given to {@link #dispatch}; good behaviour. So health checks take nothing from the queue.
 */
public final class MockLlmServer implements AutoCloseable {
    /** Requests remembered; older ones are forgotten, and only counted. */
    public static final int MAX_REMEMBERED = 10_000;

    /** The name of the timers of pauses, for servers on a {@link ManualScheduler}. */
    public static final String PAUSE_TIMER = "mock pause";

    private static final Logger LOG = LoggerFactory.getLogger(MockLlmServer.class);
    private static final byte[] LOOPBACK = {127, 0, 0, 1};
    private static final int BACKLOG = 1_024;
    private static final Duration THREAD_END = Duration.ofSeconds(10);

    private final Monitor monitor = new Monitor();
    private final RequestLog log = new RequestLog(monitor);
    private final ServerSocket listener;
    private final Ticker ticker;
    private final Scheduler scheduler;
    private final boolean ownScheduler;
    private final MockWaits waits;
    private final int sendBuffer;
    private final List<String> models;
    private final Thread acceptor;
    // Under the monitor.
    private final Map<String, MockResponse> byPath = new HashMap<>();
    private final Deque<MockResponse> queue = new ArrayDeque<>();
    private final Set<MockConnection> connections = new HashSet<>();
    private final Set<Thread> threads = new HashSet<>();
    private @Nullable Function<ServedRequest, MockResponse> dispatcher;
    private List<String> pieces = List.of("Once", " upon", " a", " time");
    private int connectionCount;
    private boolean closed;

    private MockLlmServer(Builder builder) {
        ticker = builder.ticker;
        Scheduler given = builder.scheduler;
        ownScheduler = given == null;
        sendBuffer = builder.sendBuffer;
        models = List.copyOf(builder.models);
        try {
            listener = new ServerSocket();
            listener.setReuseAddress(true);
            listener.bind(new InetSocketAddress(InetAddress.getByAddress(LOOPBACK), builder.port), BACKLOG);
        } catch (IOException e) {
            throw new UncheckedIOException("no server on loopback port " + builder.port, e);
        }
        scheduler = given == null ? Scheduler.singleThread(threadName("timer")) : given;
        waits = new MockWaits(monitor, scheduler);
        acceptor = thread("accept", this::listen);
    }

    /** {@return a server that listens on a free port} */
    public static MockLlmServer start() {
        return builder().start();
    }

    /** {@return a builder of a server} */
    public static Builder builder() {
        return new Builder();
    }

    private void listen() {
        try {
            while (true) {
                accept(listener.accept());
            }
        } catch (IOException e) {
            LOG.debug("the listener of port {} ended: {}", port(), e.toString());
        }
    }

    private void accept(Socket socket) throws IOException {
        try {
            socket.setTcpNoDelay(true);
            if (sendBuffer > 0) {
                socket.setSendBufferSize(sendBuffer);
            }
        } catch (SocketException e) {
            LOG.debug("a client went away at once: {}", e.toString());
        }
        int number = monitor.read(() -> ++connectionCount);
        MockConnection connection = new MockConnection(socket, number, this, monitor);
        boolean late = monitor.read(() -> {
            connections.add(connection);
            return closed;
        });
        if (late) {
            connection.abort(false);
            return;
        }
        Thread in = thread("in-" + number, connection::read);
        Thread out = thread("out-" + number, connection::write);
        monitor.update(() -> threads.addAll(List.of(in, out)));
        in.start();
        out.start();
    }

    private Thread thread(String role, Runnable task) {
        Thread thread = new Thread(
                () -> {
                    try {
                        task.run();
                    } finally {
                        monitor.update(() -> threads.remove(Thread.currentThread()));
                    }
                },
                threadName(role));
        thread.setDaemon(true);
        return thread;
    }

    private String threadName(String role) {
        return "mock-llm-" + port() + "-" + role;
    }

    /** {@return the address, {@code http://127.0.0.1:port}} */
    public String url() {
        return "http://127.0.0.1:" + port();
    }

    /** {@return the port} */
    public int port() {
        return listener.getLocalPort();
    }

    /** Sets what the next POST requests get, one each, in this order. */
    public MockLlmServer enqueue(MockResponse... responses) {
        monitor.update(() -> queue.addAll(List.of(responses)));
        return this;
    }

    /** Sets what every request to this path gets, {@code "/health"} for instance. */
    public MockLlmServer on(String path, MockResponse response) {
        monitor.update(() -> byPath.put(path, response));
        return this;
    }

    /** Sets what requests get that nothing else is set for; runs on a thread of the connection, may block. */
    public MockLlmServer dispatch(Function<ServedRequest, MockResponse> dispatcher) {
        monitor.update(() -> this.dispatcher = dispatcher);
        return this;
    }

    /** Sets the text of good answers, one event for each piece. */
    public MockLlmServer answerWith(String... pieces) {
        monitor.update(() -> this.pieces = List.of(pieces));
        return this;
    }

    /** {@return the answer of a well-behaved server, for a {@link #dispatch} that misbehaves only now and then} */
    public MockResponse goodAnswer(ServedRequest request) {
        return OpenAiAnswers.answer(request, models, monitor.read(() -> pieces));
    }

    /** Lets every answer go on that is stalled now. */
    public void release() {
        waits.release();
    }

    /** Resets every connection there is; new ones are welcome. */
    public void resetConnections() {
        List<MockConnection> open = monitor.read(() -> List.copyOf(connections));
        open.forEach(connection -> connection.abort(true));
    }

    /** {@return the requests remembered, probes (GET) included, oldest first} */
    public List<ServedRequest> requests() {
        return log.remembered();
    }

    /** {@return the requests remembered that a client went away from, oldest first} */
    public List<ServedRequest> cancellations() {
        return requests().stream().filter(ServedRequest::isCancelled).toList();
    }

    /** {@return how many requests ever came, probes included} */
    public int requestCount() {
        return log.count();
    }

    /** {@return how many connections were ever opened} */
    public int connectionCount() {
        return monitor.read(() -> connectionCount);
    }

    /** {@return how many connections are open} */
    public int openConnections() {
        return monitor.read(connections::size);
    }

    /**
     * {@return the oldest POST request not taken yet}
     *
     * @param patience how long to wait for it
     * @throws AssertionError when none comes
     */
    public ServedRequest takeRequest(Duration patience) {
        return log.take(patience);
    }

    /**
     * Waits until no connection is open.
     *
     * @param patience how long
     * @throws AssertionError when one stays open
     */
    public void awaitNoConnections(Duration patience) {
        if (!monitor.await(patience, connections::isEmpty)) {
            throw new AssertionError(openConnections() + " connections are open after " + patience);
        }
    }

    /** Closes the listener and all connections, and waits for its threads to end. Idempotent. */
    @Override
    public void close() {
        monitor.update(() -> closed = true);
        try {
            listener.close();
        } catch (IOException e) {
            LOG.debug("the listener did not close cleanly: {}", e.toString());
        }
        List<MockConnection> open = monitor.read(() -> List.copyOf(connections));
        open.forEach(connection -> connection.abort(false));
        if (ownScheduler) {
            scheduler.close();
        }
        awaitEnd(acceptor); // behind it no thread is added
        for (Thread thread : monitor.read(() -> List.copyOf(threads))) {
            awaitEnd(thread);
        }
    }

    private void awaitEnd(Thread thread) {
        if (thread == Thread.currentThread()) {
            return; // a dispatcher closes its own server
        }
        try {
            thread.join(THREAD_END.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (thread.isAlive()) {
            LOG.warn("{} closed, and its thread {} is still running", this, thread.getName());
        }
    }

    @Override
    public String toString() {
        return "MockLlmServer{" + url() + ", requests=" + requestCount() + ", connections=" + openConnections() + "}";
    }

    Ticker ticker() {
        return ticker;
    }

    /** Records a request. {@return what answers it} Settled at once: what a test says that saw it is for later ones. */
    Function<ServedRequest, MockResponse> receive(ServedRequest request) {
        return monitor.read(() -> {
            log.add(request);
            MockResponse fixed = byPath.get(request.path());
            MockResponse next = fixed == null && request.method().equals("POST") ? queue.poll() : fixed;
            Function<ServedRequest, MockResponse> custom = dispatcher;
            return next != null ? any -> next : custom != null ? custom : this::goodAnswer;
        });
    }

    void closed(MockConnection connection) {
        monitor.update(() -> connections.remove(connection));
    }

    ScriptPlayer.Waiting waits() {
        return waits;
    }

    /** Builds and starts a {@link MockLlmServer}. Not thread-safe. */
    public static final class Builder {
        private int port;
        private Ticker ticker = Ticker.system();
        private @Nullable Scheduler scheduler;
        private int sendBuffer;
        private final List<String> models = new ArrayList<>();

        private Builder() {}

        /** Sets the port; any free one without it. */
        public Builder port(int port) {
            if (port < 0 || port > 65_535) {
                throw new IllegalArgumentException("port must be between 0 and 65535, got " + port);
            }
            this.port = port;
            return this;
        }

        /** Sets the clock that cancellations are measured by. */
        public Builder ticker(Ticker ticker) {
            this.ticker = ticker;
            return this;
        }

        /** Sets what pauses run on; it is not closed with the server. A thread of its own, in real time, without it. */
        public Builder scheduler(Scheduler scheduler) {
            this.scheduler = scheduler;
            return this;
        }

        /** Limits the socket's send buffer, so that back-pressure shows after fewer bytes. */
        public Builder sendBufferBytes(int bytes) {
            if (bytes < 1) {
                throw new IllegalArgumentException("sendBufferBytes must be at least 1, got " + bytes);
            }
            this.sendBuffer = bytes;
            return this;
        }

        /** Adds a model; with one, others are answered with 404, without, every model is served. */
        public Builder model(String model) {
            models.add(model);
            return this;
        }

        /** {@return the server, listening} */
        public MockLlmServer start() {
            MockLlmServer server = new MockLlmServer(this);
            server.acceptor.start();
            return server;
        }
    }
}
