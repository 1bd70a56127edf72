/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import okio.BufferedSource;

/**
 * A client of a proxy that believes HTTP: a response with status 200 that ends as its framing says is good, an error inside
 * is a failure. It repeats nothing, for that is the proxy's part.
 */
final class ProxyClient implements Contender {
    private static final MediaType JSON = MediaType.get("application/json");
    private static final Pattern TOKEN = Pattern.compile("\"text\"\\s*:\\s*\" ?(\\d+)\"");

    private final Ticker ticker = Ticker.system();
    private final OkHttpClient client;
    private final String url;
    private final AutoCloseable proxy;

    /**
     * A client.
     *
     * @param proxy what is closed with it
     */
    ProxyClient(String url, Duration limit, AutoCloseable proxy) {
        this.url = url;
        this.proxy = proxy;
        client = new OkHttpClient.Builder()
                .callTimeout(limit)
                .readTimeout(limit)
                .retryOnConnectionFailure(false)
                .build();
    }

    @Override
    public Outcome send(String prompt, boolean streaming) {
        String body = "{\"model\":\"m\",\"prompt\":\"" + prompt + "\",\"max_tokens\":" + FaultWorkerCommand.TOKENS
                + ",\"stream\":true}";
        Request request = new Request.Builder()
                .url(url + "/v1/completions")
                .post(RequestBody.create(body.getBytes(StandardCharsets.UTF_8), JSON))
                .build();
        long start = ticker.nanos();
        List<Integer> tokens = new ArrayList<>();
        Outcome.End end = Outcome.End.FAILED;
        try (Response response = client.newCall(request).execute()) {
            if (response.isSuccessful() && read(response.body().source(), tokens)) {
                end = Outcome.End.GOOD;
            }
        } catch (IOException e) {
            end = Outcome.End.FAILED;
        }
        return new Outcome(end, tokens, ticker.nanos() - start);
    }

    private static boolean read(BufferedSource source, List<Integer> tokens) throws IOException {
        for (String line = source.readUtf8Line(); line != null; line = source.readUtf8Line()) {
            if (line.startsWith("data: {\"error\"") || line.startsWith("event: error")) {
                return false;
            }
            Matcher token = TOKEN.matcher(line);
            if (token.find()) {
                tokens.add(Integer.valueOf(token.group(1)));
            }
        }
        return true;
    }

    @Override
    public void close() throws IOException {
        client.dispatcher().executorService().shutdown();
        client.connectionPool().evictAll();
        try {
            proxy.close();
        } catch (IOException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException("the proxy could not be ended", e);
        }
    }
}
