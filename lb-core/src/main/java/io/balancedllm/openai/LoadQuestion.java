/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.endpoint.EngineReport;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks a server for its load where it tells it: the first of the places below that says something is asked from then on,
 * until it is gone. A server that says nothing anywhere is looked at again only now and then. Thread-safe.
 */
final class LoadQuestion {
    /** Bytes of an answer that are read; a server that says more says nothing. The largest page recorded has 80 KB. */
    static final int MAX_ANSWER_BYTES = 4 << 20;
    /** Questions that go unasked after a server told nothing anywhere. */
    static final int PAUSE = 29;

    private static final Logger LOG = LoggerFactory.getLogger(OpenAiBackend.class);

    /** Where engines tell their load, in the order of how much they tell. */
    private enum Place {
        METRICS("metrics"),
        LOADS("v1/loads?include=core"),
        SLOTS("slots");

        private final String path;

        Place(String path) {
            this.path = path;
        }

        EngineReport read(byte[] body) {
            return switch (this) {
                case METRICS -> EngineMetrics.read(body);
                case LOADS -> EngineLoad.loads(body);
                case SLOTS -> EngineLoad.slots(body);
            };
        }
    }

    private final HttpTransport transport;
    private final Executor readers;
    private final AtomicInteger pause = new AtomicInteger();
    private volatile @Nullable Place known;
    private volatile boolean told;

    LoadQuestion(HttpTransport transport, Executor readers) {
        this.transport = transport;
        this.readers = readers;
    }

    CompletionStage<Optional<EngineReport>> ask(Duration timeout) {
        if (pause.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            return CompletableFuture.completedFuture(Optional.empty());
        }
        CompletableFuture<Optional<EngineReport>> answer = new CompletableFuture<>();
        try {
            readers.execute(() -> {
                Optional<EngineReport> found = Optional.empty();
                try {
                    found = look(timeout);
                } catch (IOException | RuntimeException e) {
                    LOG.debug("{} did not tell its load: {}", transport.server(), e.toString());
                } finally {
                    answer.complete(found);
                }
            });
        } catch (RejectedExecutionException e) {
            answer.complete(Optional.empty());
        }
        return answer;
    }

    private Optional<EngineReport> look(Duration timeout) throws IOException {
        Place place = known;
        if (place != null) {
            EngineReport report = ask(place, timeout);
            if (report == null) {
                known = null; // looked for anew with the next question
            }
            return Optional.ofNullable(report).filter(found -> !found.isEmpty());
        }
        for (Place candidate : Place.values()) {
            EngineReport report = ask(candidate, timeout);
            if (report != null && !report.isEmpty()) {
                known = candidate;
                return Optional.of(report);
            }
        }
        pause.set(PAUSE);
        if (!told) {
            told = true;
            LOG.info(
                    "{} tells its load neither at /metrics nor /v1/loads nor /slots: it is judged by its own calls",
                    transport.server());
        }
        return Optional.empty();
    }

    /**
     * {@return what the place says, an empty report when it cannot tell now, null when there is no such place}
     *
     * @throws IOException when the server does not answer: nothing is learnt about the place
     */
    private @Nullable EngineReport ask(Place place, Duration timeout) throws IOException {
        Exchange exchange = transport.get(place.path);
        exchange.timeout(timeout);
        try (Response response = exchange.execute()) {
            if (response.code() >= 500) {
                throw new IOException("HTTP " + response.code()); // loading, or out of order
            }
            if (!response.isSuccessful()) {
                return null;
            }
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            if (!HttpTransport.copy(response.body().byteStream(), body, MAX_ANSWER_BYTES)) {
                LOG.debug("{}: /{} has more than {} bytes", transport.server(), place.path, MAX_ANSWER_BYTES);
                return null;
            }
            return place.read(body.toByteArray());
        }
    }
}
