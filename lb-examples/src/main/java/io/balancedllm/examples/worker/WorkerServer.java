/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.examples.console.Logs;
import io.balancedllm.openai.OpenAiJson;
import io.balancedllm.time.Scheduler;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.RoutingHandler;
import io.undertow.server.handlers.GracefulShutdownHandler;
import io.undertow.util.StatusCodes;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;

/**
 * Serves a balancer on the OpenAI wire over HTTP/1.1.
 *
 * <p>Limits: {@value #MAX_CONCURRENT_REQUESTS} requests at a time, each on a thread of its own that waits for the
 * answer; one more is refused with 503. Bodies to {@value #MAX_BODY_BYTES} bytes, larger ones are refused with 413. A
 * client that takes no bytes of a stream for 60 s, or needs longer than that to send its request, is disconnected. Neither TLS nor credentials: bind it to a trusted
 * network. Thread-safe.
 */
public final class WorkerServer implements AutoCloseable {
    /** Requests answered at a time. */
    public static final int MAX_CONCURRENT_REQUESTS = 256;
    /** The largest body of a request. */
    public static final int MAX_BODY_BYTES = 16 * 1024 * 1024;
    /** How long requests in flight may go on once the worker was told to end. */
    public static final Duration DRAIN = Duration.ofSeconds(20);

    private static final Logger LOG = LoggerFactory.getLogger(WorkerServer.class);
    private static final int IO_THREADS = 2;
    private static final int IDLE_THREAD_SECONDS = 30;
    private static final int REQUEST_HEAD_MILLIS = 30_000;
    private static final Duration REQUEST_BODY = Duration.ofSeconds(60);
    private static final int KEEP_ALIVE_MILLIS = 75_000;
    private static final Set<String> PATHS = new TreeSet<>(
            Set.of("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/health", "/metrics"));

    private final ThreadPoolExecutor threads;
    private final Scheduler timers = Scheduler.singleThread("worker-timers");
    private final GracefulShutdownHandler requests;
    private final Undertow server;

    private WorkerServer(BalancedLlm llm, List<Endpoint> replicas, String host, int port) {
        threads = new ThreadPoolExecutor(
                0, MAX_CONCURRENT_REQUESTS, IDLE_THREAD_SECONDS, TimeUnit.SECONDS, new SynchronousQueue<>(), task -> {
                    Thread thread = new Thread(task, "worker-request");
                    thread.setDaemon(true);
                    return thread;
                });
        StatusHandlers status = new StatusHandlers(replicas);
        RoutingHandler routes = new RoutingHandler()
                .post("/v1/chat/completions", blocking(new CompletionHandler(Operation.CHAT, llm, timers)::answer))
                .post("/v1/completions", blocking(new CompletionHandler(Operation.TEXT, llm, timers)::answer))
                .post("/v1/embeddings", blocking((exchange, body) -> embed(llm, exchange, body)))
                .get("/v1/models", status::models)
                .get("/health", status::health)
                .get("/metrics", exchange -> Replies.metrics(exchange, MetricsText.of(llm, replicas)));
        routes.setFallbackHandler(exchange -> Replies.notFound(exchange, PATHS));
        routes.setInvalidMethodHandler(exchange -> Replies.notFound(exchange, PATHS));
        requests = new GracefulShutdownHandler(routes);
        server = Undertow.builder()
                .addHttpListener(port, host)
                .setIoThreads(IO_THREADS)
                .setWorkerThreads(1)
                .setServerOption(UndertowOptions.REQUEST_PARSE_TIMEOUT, REQUEST_HEAD_MILLIS)
                .setServerOption(UndertowOptions.NO_REQUEST_TIMEOUT, KEEP_ALIVE_MILLIS)
                .setHandler(requests)
                .build();
    }

    /**
     * Starts to serve. The balancer is borrowed: closing the server leaves it open.
     *
     * @param llm what answers
     * @param replicas the endpoints it balances over: their probes are this worker's health
     * @param host the address to listen at
     * @param port the port, 0 for any free one
     * @throws IOException when the address cannot be listened at
     */
    public static WorkerServer start(BalancedLlm llm, List<Endpoint> replicas, String host, int port)
            throws IOException {
        Logs.sendUndertowToSlf4j();
        WorkerServer worker = new WorkerServer(llm, replicas, host, port);
        try {
            worker.server.start();
            return worker;
        } catch (RuntimeException e) {
            worker.close();
            if (e.getCause() instanceof IOException cause) {
                throw cause;
            }
            throw e;
        }
    }

    /** {@return the port it listens at} */
    public int port() {
        return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
    }

    /**
     * Refuses new requests with 503 and waits for those in flight.
     *
     * @return whether all of them ended within {@link #DRAIN}
     * @throws InterruptedException when the waiting thread is interrupted
     */
    public boolean drain() throws InterruptedException {
        requests.shutdown();
        return requests.awaitShutdown(DRAIN.toMillis());
    }

    /** Ends at once, and with it every connection. Idempotent. */
    @Override
    public void close() {
        server.stop();
        threads.shutdownNow();
        timers.close();
    }

    /** Runs an answer on a thread that may block; when none is left, the request is refused and not queued. */
    private HttpHandler blocking(Answer answer) {
        HttpHandler reading = exchange -> {
            exchange.startBlocking();
            byte[] body = isTooLarge(exchange) ? null : read(exchange);
            if (body == null) {
                tooLarge(exchange);
            } else {
                answer.to(exchange, body);
            }
        };
        return exchange -> exchange.dispatch(task -> submit(exchange, task), reading);
    }

    private static boolean isTooLarge(HttpServerExchange exchange) {
        return exchange.getRequestContentLength() > MAX_BODY_BYTES;
    }

    /** {@return the body; null when it turns out too large: one sent in pieces does not say its length} */
    private byte @Nullable [] read(HttpServerExchange exchange) throws IOException {
        Scheduler.Timer limit = timers.schedule(
                "request body", REQUEST_BODY.toNanos(), () -> IoUtils.safeClose(exchange.getConnection()));
        try {
            byte[] body = exchange.getInputStream().readNBytes(MAX_BODY_BYTES + 1);
            return body.length > MAX_BODY_BYTES ? null : body;
        } finally {
            limit.cancel();
        }
    }

    private void submit(HttpServerExchange exchange, Runnable task) {
        try {
            threads.execute(task);
        } catch (RejectedExecutionException e) {
            LOG.debug("all {} threads are busy", MAX_CONCURRENT_REQUESTS);
            Replies.error(
                    exchange,
                    LlmException.builder(
                                    Reason.OVERLOADED,
                                    "this worker answers " + MAX_CONCURRENT_REQUESTS + " requests at a time")
                            .retryAfter(Duration.ofSeconds(1))
                            .build());
        }
    }

    /** Answers {@code /v1/embeddings}; a backend that makes none fails as unsupported. */
    private static void embed(BalancedLlm llm, HttpServerExchange exchange, byte[] body) {
        try {
            EmbeddingRequest request = OpenAiJson.readEmbeddingRequest(body);
            boolean base64 = "base64".equals(request.extra().get("encoding_format"));
            Replies.json(exchange, OpenAiJson.writeEmbeddings(llm.embed(request), base64));
        } catch (LlmException e) {
            Replies.error(exchange, e);
        }
    }

    private static void tooLarge(HttpServerExchange exchange) {
        exchange.setPersistent(false);
        Replies.error(
                exchange,
                StatusCodes.REQUEST_ENTITY_TOO_LARGE,
                "the body is larger than " + MAX_BODY_BYTES + " bytes: send a shorter prompt");
    }

    /** Answers a request whose body has been read, on a thread that may block. */
    @FunctionalInterface
    interface Answer {
        /** Sends the whole response. */
        void to(HttpServerExchange exchange, byte[] body) throws IOException;
    }
}
