/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import okhttp3.Call;
import okhttp3.Connection;
import okhttp3.EventListener;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One request and its response. A failure before the response's head, on a connection that had been used before, is
 * repeated once on a fresh one: the server had closed the kept connection, which says nothing about the server. One
 * thread executes, any thread may cancel.
 */
final class Exchange {
    /** Notes on each call whether it opened a connection or got a kept one. */
    static final EventListener.Factory CONNECTION_USE = call -> {
        ConnectionUse use = call.request().tag(ConnectionUse.class);
        return use == null ? EventListener.NONE : use;
    };

    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);

    private final OkHttpClient pooled;
    private final OkHttpClient fresh;
    private final Request request;
    private volatile @Nullable Call call;
    private volatile boolean cancelled;
    private long timeoutNanos;

    Exchange(OkHttpClient pooled, OkHttpClient fresh, Request request) {
        this.pooled = pooled;
        this.fresh = fresh;
        this.request = request;
    }

    /** Limits the whole of it, the reading of the body included; without limit otherwise. Before it is executed. */
    void timeout(Duration limit) {
        timeoutNanos = limit.toNanos();
    }

    /** {@return the response, its body unread} */
    Response execute() throws IOException {
        ConnectionUse use = new ConnectionUse();
        try {
            return call(pooled, use);
        } catch (IOException e) {
            if (cancelled || !use.reused()) {
                throw e;
            }
            LOG.debug("{}: a kept connection was dead ({}), once more on a fresh one", request.url(), e.getMessage());
            return call(fresh, new ConnectionUse());
        }
    }

    private Response call(OkHttpClient client, ConnectionUse use) throws IOException {
        Call next = client.newCall(
                request.newBuilder().tag(ConnectionUse.class, use).build());
        next.timeout().timeout(timeoutNanos, TimeUnit.NANOSECONDS);
        call = next;
        if (cancelled) {
            next.cancel();
        }
        return next.execute();
    }

    /** Closes the connection, or resets the stream on one that is shared. Never blocks. */
    void cancel() {
        cancelled = true;
        Call running = call;
        if (running != null) {
            running.cancel();
        }
    }

    boolean isCancelled() {
        return cancelled;
    }

    /** Written by the threads that connect, read by the one that executes. */
    private static final class ConnectionUse extends EventListener {
        private volatile boolean connecting;
        private volatile boolean acquired;

        boolean reused() {
            return acquired && !connecting;
        }

        @Override
        public void connectStart(Call call, InetSocketAddress address, Proxy proxy) {
            connecting = true;
        }

        @Override
        public void connectionAcquired(Call call, Connection connection) {
            acquired = true;
        }
    }
}
