/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import okhttp3.ConnectionPool;
import okhttp3.OkHttpClient;

/**
 * What all backends of this JVM share, made on first use: one HTTP client with its connections, and the threads that
 * read. No time limit but that of connecting: how long prefill and generation may take is for the caller to say.
 */
final class HttpClients {
    /** Idle connections kept; more are closed. */
    static final int MAX_IDLE_CONNECTIONS = 1_024;

    /** How long an idle connection is kept: less than the 5 s after which uvicorn and llama.cpp close theirs. */
    static final Duration KEEP_ALIVE = Duration.ofSeconds(4);

    private static final long IDLE_THREAD_SECONDS = 10;

    private HttpClients() {}

    /** {@return the client whose connections are used again} */
    static OkHttpClient pooled() {
        return Pooled.CLIENT;
    }

    /**
     * {@return a client like this one that opens a connection for each request: for the one repeat after a kept
     * connection turned out to be dead, which must not meet another dead one}
     */
    static OkHttpClient fresh(OkHttpClient like) {
        return like.newBuilder()
                .connectionPool(new ConnectionPool(0, 1, TimeUnit.NANOSECONDS))
                .build();
    }

    /** {@return daemon threads, one for each open stream: their number is limited by what the balancer lets in flight} */
    static Executor readers() {
        return Readers.EXECUTOR;
    }

    private static final class Pooled {
        static final OkHttpClient CLIENT = new OkHttpClient.Builder()
                .connectTimeout(OpenAiBackend.DEFAULT_CONNECT_TIMEOUT)
                .readTimeout(Duration.ZERO)
                .writeTimeout(Duration.ZERO)
                .callTimeout(Duration.ZERO)
                .followRedirects(false)
                .followSslRedirects(false)
                // else a POST is sent again unseen on a dead connection: a generation paid for twice
                .retryOnConnectionFailure(false)
                .connectionPool(new ConnectionPool(MAX_IDLE_CONNECTIONS, KEEP_ALIVE.toMillis(), TimeUnit.MILLISECONDS))
                .eventListenerFactory(Exchange.CONNECTION_USE)
                .build();

        private Pooled() {}
    }

    private static final class Readers {
        private static final AtomicInteger NUMBER = new AtomicInteger();

        static final Executor EXECUTOR = new ThreadPoolExecutor(
                0, Integer.MAX_VALUE, IDLE_THREAD_SECONDS, TimeUnit.SECONDS, new SynchronousQueue<>(), task -> {
                    Thread thread = new Thread(task, "balancedllm-http-" + NUMBER.incrementAndGet());
                    thread.setDaemon(true);
                    return thread;
                });

        private Readers() {}
    }
}
