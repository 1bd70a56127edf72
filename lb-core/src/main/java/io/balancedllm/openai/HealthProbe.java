/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ProbeResult.Status;
import io.balancedllm.time.Scheduler;
import java.io.IOException;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/**
 * One probe: {@code GET /health}, and where a server has none, {@code GET /v1/models}. Success is READY, also 429: busy
 * is healthy. 503 with words about loading (llama.cpp, on every path) is WARMING. Anything else is UNHEALTHY.
 */
final class HealthProbe implements Runnable {
    private static final String HEALTH = "health";
    private static final String MODELS = "v1/models";

    private final HttpTransport transport;
    private final Executor readers;
    private final CompletableFuture<ProbeResult> result = new CompletableFuture<>();
    private volatile @Nullable Exchange exchange;
    /** The verdict when the time was up: it stands even if the reader, cut off by it, is first to complete. */
    private volatile @Nullable ProbeResult late;

    private HealthProbe(HttpTransport transport, Executor readers) {
        this.transport = transport;
        this.readers = readers;
    }

    static CompletableFuture<ProbeResult> start(HttpTransport transport, Executor readers, Duration timeout) {
        HealthProbe probe = new HealthProbe(transport, readers);
        Scheduler.Timer timer = Timers.SCHEDULER.schedule("probe", timeout.toNanos(), () -> probe.giveUp(timeout));
        CompletableFuture<ProbeResult> unused = probe.result.whenComplete((found, failure) -> {
            timer.cancel();
            if (failure != null) { // the caller's cancel
                probe.stop();
            }
        });
        try {
            readers.execute(probe);
        } catch (RejectedExecutionException e) {
            probe.result.complete(unhealthy("the probe found no thread to run on"));
        }
        return probe.result;
    }

    private void giveUp(Duration timeout) {
        ProbeResult verdict = unhealthy(transport.server() + " did not answer within " + timeout.toMillis() + " ms");
        late = verdict;
        try {
            CompletableFuture<ProbeResult> unused =
                    result.completeAsync(() -> verdict, readers); // dependents must not run on the timer's thread
        } catch (RejectedExecutionException e) {
            result.complete(verdict);
        }
        stop();
    }

    private void stop() {
        Exchange running = exchange;
        if (running != null) {
            running.cancel();
        }
    }

    @Override
    public void run() {
        ProbeResult found = look();
        ProbeResult verdict = late;
        result.complete(verdict == null ? found : verdict);
    }

    private ProbeResult look() {
        try {
            ProbeResult health = ask(HEALTH);
            return health == null ? orElse(ask(MODELS)) : health;
        } catch (IOException e) {
            return unhealthy(transport.unanswered(transport.url(HEALTH), e).message());
        } catch (RuntimeException e) {
            return unhealthy(transport.server() + ": the probe failed: " + e);
        }
    }

    private ProbeResult orElse(@Nullable ProbeResult models) {
        return models != null
                ? models
                : unhealthy(transport.server() + " has neither /health nor /v1/models; is this its base URL?");
    }

    /** {@return the verdict, or null when the server has no such path} */
    private @Nullable ProbeResult ask(String path) throws IOException {
        Exchange asked = transport.get(path);
        exchange = asked;
        if (late != null || result.isDone()) {
            asked.cancel();
        }
        try (Response response = asked.execute()) {
            int status = response.code();
            if (response.isSuccessful()) {
                return ProbeResult.READY;
            }
            if (status == 404 || status == 405 || status == 501) {
                return null;
            }
            if (status == 429) {
                return new ProbeResult(Status.READY, "busy: HTTP 429");
            }
            ErrorJson error = ErrorJson.read(HttpTransport.errorBody(response.body()));
            String detail = transport.described(
                    "HTTP " + status + (error.words().isEmpty() ? "" : ": " + error.words()), transport.url(path));
            boolean loading =
                    status == 503 && error.message().toLowerCase(Locale.ROOT).contains("loading");
            return loading ? new ProbeResult(Status.WARMING, detail) : unhealthy(detail);
        }
    }

    private static ProbeResult unhealthy(String detail) {
        return new ProbeResult(Status.UNHEALTHY, detail);
    }

    /** One daemon thread for the timeouts of all probes; its tasks only hand over. */
    private static final class Timers {
        static final Scheduler SCHEDULER = Scheduler.singleThread("balancedllm-probe-timer");

        private Timers() {}
    }
}
