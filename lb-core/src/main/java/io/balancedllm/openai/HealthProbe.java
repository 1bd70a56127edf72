/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ProbeResult.Status;
import io.balancedllm.time.Scheduler;
import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/**
 * One probe: the first of the paths in {@link EngineDialect} that a server has. Success is READY; what else its answer
 * means stands in that table. The path is remembered for the probes to come.
 */
final class HealthProbe implements Runnable {
    private final HttpTransport transport;
    private final Executor readers;
    private final AtomicReference<@Nullable String> known;
    private final CompletableFuture<ProbeResult> result = new CompletableFuture<>();
    private volatile @Nullable Exchange exchange;
    /** The verdict when the time was up: it stands even if the reader, cut off by it, is first to complete. */
    private volatile @Nullable ProbeResult late;

    private HealthProbe(HttpTransport transport, Executor readers, AtomicReference<@Nullable String> known) {
        this.transport = transport;
        this.readers = readers;
        this.known = known;
    }

    /**
     * Starts a probe.
     *
     * @param known the path under which the server answered before; it is kept here
     */
    static CompletableFuture<ProbeResult> start(
            HttpTransport transport, Executor readers, AtomicReference<@Nullable String> known, Duration timeout) {
        HealthProbe probe = new HealthProbe(transport, readers, known);
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
        String asked = "";
        try {
            for (String path : paths()) {
                asked = path;
                ProbeResult found = ask(path);
                if (found != null) {
                    known.set(path);
                    return found;
                }
            }
            known.set(null);
            return unhealthy(nothingFound());
        } catch (IOException e) {
            return unhealthy(transport.unanswered(transport.url(asked), e).message());
        } catch (RuntimeException e) {
            return unhealthy(transport.server() + ": the probe failed: " + e);
        }
    }

    private Collection<String> paths() {
        Set<String> paths = new LinkedHashSet<>();
        String before = known.get();
        if (before != null) {
            paths.add(before);
        }
        paths.addAll(EngineDialect.probePaths());
        return paths;
    }

    private String nothingFound() {
        return transport.server() + " has none of " + EngineDialect.probePaths() + "; is this its base URL?";
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
            if (EngineDialect.isElsewhere(path, status)) {
                return null;
            }
            ErrorJson error = ErrorJson.read(HttpTransport.errorBody(response.body()));
            String detail = transport.described(
                    "HTTP " + status + (error.words().isEmpty() ? "" : ": " + error.words()), transport.url(path));
            return new ProbeResult(EngineDialect.verdict(path, status, error.message()), detail);
        }
    }

    private static ProbeResult unhealthy(String detail) {
        return new ProbeResult(Status.UNHEALTHY, detail);
    }

    /** One daemon thread for the timeouts of all probes; its tasks only hand over. */
    private static final class Timers {
        static final Scheduler SCHEDULER = Scheduler.singleThread("balancedllm-http-probe-timer");

        private Timers() {}
    }
}
