/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import okhttp3.ConnectionPool;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Talks to one registrar, one request at a time, each within {@link #LIMIT}. Tells changes, and no failure twice. */
final class RegistrarClient {
    static final Duration LIMIT = Duration.ofSeconds(2);

    private static final Logger LOG = LoggerFactory.getLogger(WorkerRegistration.class);
    private static final MediaType JSON = MediaType.get("application/json");
    private static final long MAX_ANSWER_BYTES = 64 << 10;
    private static final Duration SHORTEST_BEAT = Duration.ofMillis(100);
    private static final Duration LONGEST_BEAT = Duration.ofMinutes(1);
    private static final Duration USUAL_BEAT =
            EndpointRegistrar.DEFAULT_LEASE.dividedBy(EndpointRegistrar.BEATS_PER_LEASE);

    /**
     * What came of a request.
     *
     * @param status the HTTP status, 0 when there was no answer
     */
    record Answer(int status, JsonNode body) {
        boolean isTaken() {
            return status >= 200 && status < 300;
        }

        /** Refused for good under this lease: it has to register again. */
        boolean isGone() {
            return status == 410 || status == 409;
        }

        /** When to be heard of next, whatever the other side says within reason. */
        Duration nextBeat() {
            JsonNode told = body.path("beat_ms");
            if (!told.canConvertToLong() || !told.isIntegralNumber()) {
                return USUAL_BEAT;
            }
            long millis = told.longValue();
            return Duration.ofMillis(Math.max(SHORTEST_BEAT.toMillis(), Math.min(LONGEST_BEAT.toMillis(), millis)));
        }
    }

    private final URI registrar;
    private final @Nullable String token;
    private final Warnings warnings = new Warnings(LOG, Ticker.system());
    private final OkHttpClient client = new OkHttpClient.Builder()
            .callTimeout(LIMIT)
            .connectTimeout(LIMIT)
            .followRedirects(false)
            .retryOnConnectionFailure(false) // a beat that is sent twice is refused
            .connectionPool(new ConnectionPool(0, 1, TimeUnit.NANOSECONDS))
            .build();

    RegistrarClient(URI registrar, @Nullable String token) {
        this.registrar = registrar;
        this.token = token;
    }

    Answer post(String path, ObjectNode body) {
        String base = registrar.toString();
        Request.Builder request = new Request.Builder()
                .url((base.endsWith("/") ? base.substring(0, base.length() - 1) : base) + path)
                .post(RequestBody.create(DiscoveryJson.write(body), JSON));
        if (token != null) {
            request.header("Authorization", "Bearer " + token);
        }
        try (Response response = client.newCall(request.build()).execute()) {
            Answer answer = new Answer(response.code(), read(response));
            if (answer.isTaken()) {
                warnings.over("refused");
                warnings.over("silent");
            } else {
                String words = answer.body().path("error").path("message").asText("");
                warnings.warn("refused", registrar + " answered HTTP " + answer.status() + " " + words);
            }
            return answer;
        } catch (IOException e) {
            warnings.warn("silent", registrar + " does not answer (" + e.getMessage() + "): trying on");
            return new Answer(0, DiscoveryJson.object());
        }
    }

    private static JsonNode read(Response response) throws IOException {
        byte[] bytes = response.peekBody(MAX_ANSWER_BYTES).bytes();
        try {
            return DiscoveryJson.read(bytes);
        } catch (IllegalArgumentException e) {
            return DiscoveryJson.object(); // the status has said what matters
        }
    }

    void complain(String what) {
        warnings.warn("report", what);
    }

    void close() {
        client.dispatcher().executorService().shutdown();
        client.connectionPool().evictAll();
    }
}
