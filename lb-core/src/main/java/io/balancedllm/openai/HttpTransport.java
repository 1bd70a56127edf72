/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Attempt;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import okhttp3.Headers;
import okhttp3.HttpUrl;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.BufferedSink;

/** Requests to one server, and what their failures mean. Thread-safe. */
final class HttpTransport {
    /** Bytes of an error body that are read. */
    static final int MAX_ERROR_BODY_BYTES = 64 << 10;

    /** How long the next bytes of an error body may take, so that one that stalls does not hold up the verdict. */
    static final int ERROR_BODY_TIMEOUT_SECONDS = 2;

    /** Header that says which attempt of its call a request is, from 1. */
    static final String ATTEMPT_HEADER = "X-BalancedLlm-Attempt";

    private static final int BUFFER_BYTES = 8 << 10;
    private static final String MASK = "***";

    private final ServerUrl server;
    private final OkHttpClient pooled;
    private final OkHttpClient fresh;
    private final Headers headers;
    private final List<String> secrets;

    HttpTransport(ServerUrl server, OkHttpClient client, Headers headers, List<String> secrets) {
        this.server = server;
        this.pooled = client;
        this.fresh = HttpClients.fresh(client);
        this.headers = headers;
        this.secrets = secrets;
    }

    ServerUrl server() {
        return server;
    }

    Exchange get(String path) {
        return new Exchange(
                pooled,
                fresh,
                new Request.Builder().url(server.at(path)).headers(headers).build());
    }

    /** {@return a POST; an IllegalArgumentException when a header of the attempt is malformed} */
    Exchange post(String path, Attempt<?> attempt, boolean stream, byte[] body) {
        Request.Builder request = new Request.Builder()
                .url(server.at(path))
                .headers(headers)
                .header("Accept", stream ? "text/event-stream" : "application/json")
                .header("Accept-Encoding", "identity") // a compressing proxy would hold tokens back
                .header(EngineLoad.ORCA_FORMAT, "JSON")
                .header("X-Request-Id", attempt.callId())
                .header(ATTEMPT_HEADER, Integer.toString(attempt.number()))
                .post(new JsonBody(body));
        attempt.headers().forEach(request::header);
        return new Exchange(pooled, fresh, request.build());
    }

    static Map<String, String> headersOf(Response response) {
        Map<String, String> map = new TreeMap<>();
        Headers headers = response.headers();
        for (int i = 0; i < headers.size(); i++) {
            map.merge(headers.name(i).toLowerCase(Locale.ROOT), headers.value(i), (a, b) -> a + ", " + b);
        }
        return map;
    }

    /** {@return what a response means that is no answer} */
    LlmException refused(Response response) {
        int status = response.code();
        LlmException.Builder failure = ErrorJson.failure(status, headersOf(response), errorBody(response.body()));
        LlmException plain = failure.build();
        return failure.message(described(
                        plain.message() + advice(status, plain.reason()),
                        response.request().url()))
                .build();
    }

    /** {@return what could be read of an error body} */
    static byte[] errorBody(ResponseBody body) {
        body.source().timeout().timeout(ERROR_BODY_TIMEOUT_SECONDS, TimeUnit.SECONDS);
        ByteArrayOutputStream read = new ByteArrayOutputStream();
        try {
            copy(body.byteStream(), read, MAX_ERROR_BODY_BYTES);
        } catch (IOException e) {
            return read.toByteArray(); // the status has been told; its words are as far as they came
        }
        return read.toByteArray();
    }

    /** Copies at most this many bytes. {@return whether that was all} */
    static boolean copy(InputStream from, ByteArrayOutputStream to, int limit) throws IOException {
        byte[] buffer = new byte[BUFFER_BYTES];
        while (true) {
            int read = from.read(buffer, 0, Math.min(buffer.length, limit - to.size() + 1));
            if (read < 0) {
                return true;
            }
            to.write(buffer, 0, Math.min(read, limit - to.size()));
            if (to.size() >= limit && read > 0) {
                return from.read() < 0;
            }
        }
    }

    private static String advice(int status, Reason reason) {
        if (status >= 300 && status < 400) {
            return "; redirects are not followed, configure the final URL";
        }
        return switch (reason) {
            case UNAUTHORIZED -> "; check the API key";
            case MODEL_NOT_FOUND -> "; name a model it lists under /v1/models";
            case UNSUPPORTED -> "; check that the URL is the server's base URL and that it offers this operation";
            default -> "";
        };
    }

    /** {@return what it means that no response came} */
    LlmException unanswered(HttpUrl url, IOException e) {
        Reason reason = Reason.UNAVAILABLE;
        String what;
        if (e instanceof UnknownHostException) {
            what = "its host name is unknown; check the URL or the name service";
        } else if (e instanceof SocketTimeoutException) {
            reason = Reason.TIMEOUT;
            what = "could not connect within " + pooled.connectTimeoutMillis() + " ms; check that the server runs";
        } else if (e instanceof SSLException) {
            what = "TLS failed (" + e.getMessage() + "); check certificate and tls(...)";
        } else {
            what = "no response (" + e.getMessage() + "); check that the server runs and still listens";
        }
        return LlmException.builder(reason, described(what, url)).cause(e).build();
    }

    /** {@return the failure with the URL in its message and no secret in it} */
    LlmException described(LlmException failure, HttpUrl url) {
        return failure.newBuilder().message(described(failure.message(), url)).build();
    }

    String described(String what, HttpUrl url) {
        String message = url + ": " + what;
        for (String secret : secrets) {
            message = message.replace(secret, MASK);
        }
        return message;
    }

    HttpUrl url(String path) {
        return server.at(path);
    }

    /** A body of known length, and one-shot: else OkHttp itself sends it again on a 503 with {@code Retry-After: 0}. */
    private static final class JsonBody extends RequestBody {
        private static final MediaType JSON = MediaType.get("application/json");

        private final byte[] bytes;

        JsonBody(byte[] bytes) {
            this.bytes = bytes;
        }

        @Override
        public MediaType contentType() {
            return JSON;
        }

        @Override
        public long contentLength() {
            return bytes.length;
        }

        @Override
        public boolean isOneShot() {
            return true;
        }

        @Override
        public void writeTo(BufferedSink sink) throws IOException {
            sink.write(bytes);
        }
    }
}
