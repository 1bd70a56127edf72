/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.X509TrustManager;
import okhttp3.Headers;
import okhttp3.OkHttpClient;
import org.jspecify.annotations.Nullable;

/**
 * A server that speaks the OpenAI-compatible wire: vLLM, SGLang, llama.cpp, Dynamo, TGI, Ollama, the OpenAI service, or
 * another balancer. Thread-safe.
 *
 * <p>An answer is always streamed from the server, with its token counts ({@code stream}, {@code
 * stream_options.include_usage}), because engines notice a cancel at once only while streaming; the request's
 * {@code extra} may say otherwise ({@code stream} false, other {@code stream_options}), so a gateway takes its own
 * client's {@code stream} out. A server that answers a streaming request with plain JSON is understood. When no chunk is
 * asked for, nothing is read and TCP holds the server back. Cancelling closes the connection at once.
 *
 * <p>A stream is complete after {@code [DONE]}, or when it ends after a finish reason for every choice; one that ends
 * otherwise fails with {@link Reason#TRUNCATED}, one with an error or a malformed event inside fails at once. Errors are
 * typed by status and by the engines' words, with {@code Retry-After}.
 *
 * <p>Requests go out once: no redirects, no silent repetition, except that a kept connection which proves dead before
 * any response is replaced once by a fresh one. There is no time limit but that of connecting. All backends share one
 * HTTP client; each open stream holds one thread, by default a daemon thread. Keys appear in no message.
 */
public final class OpenAiBackend implements LlmBackend {
    /** How long connecting may take when nothing else is said. */
    public static final Duration DEFAULT_CONNECT_TIMEOUT = Duration.ofSeconds(2);

    private final HttpTransport transport;
    private final Executor readers;
    private final LoadQuestion load;
    private final Set<HttpTask> running = ConcurrentHashMap.newKeySet();
    private final AtomicReference<@Nullable String> probePath = new AtomicReference<>();
    private volatile boolean closed;

    private OpenAiBackend(Builder builder) {
        transport = new HttpTransport(
                builder.server, client(builder), builder.headers.build(), List.copyOf(builder.secrets));
        readers = builder.readers == null ? HttpClients.readers() : builder.readers;
        load = new LoadQuestion(transport, readers);
    }

    private static OkHttpClient client(Builder builder) {
        boolean ownTls = builder.socketFactory != null && builder.trustManager != null;
        if (!ownTls && builder.connectTimeout.equals(DEFAULT_CONNECT_TIMEOUT)) {
            return HttpClients.pooled();
        }
        OkHttpClient.Builder client = HttpClients.pooled().newBuilder().connectTimeout(builder.connectTimeout);
        if (builder.socketFactory != null && builder.trustManager != null) {
            client.sslSocketFactory(builder.socketFactory, builder.trustManager);
        }
        return client.build();
    }

    /**
     * {@return a backend for the server at this URL, with the defaults}
     *
     * @param url the base URL, with or without {@code /v1}
     * @throws IllegalArgumentException saying what is wrong with the URL
     */
    public static OpenAiBackend at(String url) {
        return builder(url).build();
    }

    /**
     * {@return a builder of a backend for the server at this URL}
     *
     * @param url the base URL, with or without {@code /v1}
     * @throws IllegalArgumentException saying what is wrong with the URL
     */
    public static Builder builder(String url) {
        return new Builder(ServerUrl.parse(url));
    }

    @Override
    public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
        HttpGeneration generation = new HttpGeneration(transport, attempt, sink);
        run(generation);
        return generation;
    }

    @Override
    public CompletionStage<Embeddings> embed(Attempt<EmbeddingRequest> attempt) {
        EmbeddingCall call = new EmbeddingCall(transport, attempt);
        run(call);
        return call.result();
    }

    private void run(HttpTask task) {
        running.add(task);
        if (closed) {
            running.remove(task);
            task.fail(closedFailure());
            return;
        }
        try {
            readers.execute(() -> {
                try {
                    task.run();
                } finally {
                    running.remove(task);
                }
            });
        } catch (RejectedExecutionException | OutOfMemoryError e) { // no thread can be had
            running.remove(task);
            task.fail(LlmException.builder(
                            Reason.INTERNAL_ERROR, this + " found no thread to read the answer; see readers(...)")
                    .cause(e)
                    .build());
        }
    }

    /**
     * Asks the first of {@code /health}, {@code /v2/health/ready}, {@code /api/version} and {@code /v1/models} that the
     * server has. One that says it is loading is WARMING; one that does not answer in time, or with a failure, is
     * UNHEALTHY; one that is busy, or does not let this key list models, lives.
     */
    @Override
    public CompletionStage<ProbeResult> probe(Duration timeout) {
        if (closed) {
            return CompletableFuture.completedFuture(
                    new ProbeResult(ProbeResult.Status.UNHEALTHY, this + " is closed"));
        }
        return HealthProbe.start(transport, readers, probePath, timeout);
    }

    /**
     * Asks {@code GET /metrics} (vLLM, SGLang, llama.cpp, TGI, TensorRT-LLM), where that tells nothing {@code
     * /v1/loads} (SGLang), then {@code /slots} (llama.cpp), and stays with the first that tells something. Answers that
     * bring an ORCA header report by themselves.
     */
    @Override
    public CompletionStage<Optional<EngineReport>> report(Duration timeout) {
        return closed ? CompletableFuture.completedFuture(Optional.empty()) : load.ask(timeout);
    }

    /** Fails what is running with {@link Reason#CLOSED}. Shared connections and threads go by themselves when idle. */
    @Override
    public void close() {
        closed = true;
        running.forEach(task -> task.fail(closedFailure()));
    }

    private LlmException closedFailure() {
        return new LlmException(Reason.CLOSED, this + " is closed");
    }

    /** {@return the URL, which holds no secret} */
    @Override
    public String toString() {
        return "OpenAiBackend{" + transport.server() + "}";
    }

    /** Builds an {@link OpenAiBackend}. Not thread-safe. */
    public static final class Builder {
        private static final int SHORTEST_SECRET = 4;

        private final ServerUrl server;
        private final Headers.Builder headers = new Headers.Builder().set("User-Agent", "balancedllm");
        private final List<String> secrets = new ArrayList<>();
        private Duration connectTimeout = DEFAULT_CONNECT_TIMEOUT;
        private @Nullable SSLSocketFactory socketFactory;
        private @Nullable X509TrustManager trustManager;
        private @Nullable Executor readers;

        private Builder(ServerUrl server) {
            this.server = server;
        }

        /** Sets the key, sent as {@code Authorization: Bearer}. It is never printed. */
        public Builder apiKey(String key) {
            if (key.isBlank()) {
                throw new IllegalArgumentException("apiKey must not be blank");
            }
            secret(key);
            return setHeader("Authorization", "Bearer " + key, "apiKey");
        }

        /**
         * Sets a header of every request, for keys under other names, tenants and the like; its value is treated as a
         * secret.
         */
        public Builder header(String name, String value) {
            String lower = name.toLowerCase(Locale.ROOT);
            if (lower.equals("content-length") || lower.equals("transfer-encoding") || lower.equals("host")) {
                throw new IllegalArgumentException("header must not be " + name + ": the transport sets it");
            }
            secret(value);
            return setHeader(name, value, "header " + name);
        }

        private void secret(String value) {
            if (value.length() >= SHORTEST_SECRET) {
                secrets.add(value);
            }
        }

        private Builder setHeader(String name, String value, String what) {
            try {
                headers.set(name, value);
            } catch (IllegalArgumentException e) {
                // neither the message nor the cause may come along: both may quote the value
                throw new IllegalArgumentException(what + " has characters that HTTP does not allow in a header");
            }
            return this;
        }

        /** Sets how long connecting may take, at least 1 ms; default 2 s. */
        public Builder connectTimeout(Duration timeout) {
            if (timeout.toMillis() < 1 || timeout.toMillis() > Integer.MAX_VALUE) {
                throw new IllegalArgumentException("connectTimeout must be at least 1 ms and at most "
                        + Integer.MAX_VALUE + " ms, got " + timeout);
            }
            this.connectTimeout = timeout;
            return this;
        }

        /** Sets how https connections are made and whom they trust; default: the platform's. */
        public Builder tls(SSLSocketFactory socketFactory, X509TrustManager trustManager) {
            this.socketFactory = socketFactory;
            this.trustManager = trustManager;
            return this;
        }

        /**
         * Sets what runs the readers, one long task for each open stream; borrowed, never shut down. Default: daemon
         * threads shared by all backends. On JDK 21 and later an executor of virtual threads does well.
         */
        public Builder readers(Executor executor) {
            this.readers = executor;
            return this;
        }

        /** {@return the backend} */
        public OpenAiBackend build() {
            return new OpenAiBackend(this);
        }
    }
}
