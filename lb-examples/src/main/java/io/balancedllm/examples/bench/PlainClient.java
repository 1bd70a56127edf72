/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import okhttp3.Call;
import okhttp3.Callback;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import okio.BufferedSource;

/** What one would write without this library: {@code enqueue}, and a queue between the reading thread and the caller. */
final class PlainClient implements AutoCloseable {
    private static final MediaType JSON = MediaType.get("application/json");
    private static final String DATA = "data: ";
    private static final String DONE = "[DONE]";
    private static final int QUEUE_CAPACITY = 1024;

    private final OkHttpClient client = new OkHttpClient();
    private final String url;

    PlainClient(String server) {
        url = server + "/v1/completions";
    }

    /** Makes a call and reads its events to the end. */
    void complete(int maxTokens) throws IOException, InterruptedException {
        String body = "{\"model\":\"" + AnswerServer.MODEL + "\",\"prompt\":\"Once upon a time\",\"max_tokens\":"
                + maxTokens + ",\"stream\":true}";
        Request request = new Request.Builder()
                .url(url)
                .header("Accept", "text/event-stream")
                .post(RequestBody.create(body.getBytes(StandardCharsets.UTF_8), JSON))
                .build();
        BlockingQueue<String> events = new ArrayBlockingQueue<>(QUEUE_CAPACITY);
        client.newCall(request).enqueue(new EventReader(events));
        String event = events.take();
        while (!event.equals(DONE)) {
            if (event.startsWith("failed")) {
                throw new IOException(event);
            }
            event = events.take();
        }
    }

    @Override
    public void close() {
        client.dispatcher().executorService().shutdown();
        client.connectionPool().evictAll();
    }

    private static final class EventReader implements Callback {
        private final BlockingQueue<String> events;

        EventReader(BlockingQueue<String> events) {
            this.events = events;
        }

        @Override
        public void onResponse(Call call, Response response) throws IOException {
            try (response) {
                BufferedSource source = response.body().source();
                String line = source.readUtf8Line();
                while (line != null) {
                    if (line.startsWith(DATA)) {
                        put(line.substring(DATA.length()));
                    }
                    line = source.readUtf8Line();
                }
            }
            put("failed: the stream ended");
        }

        @Override
        public void onFailure(Call call, IOException failure) {
            put("failed: " + failure);
        }

        private void put(String event) {
            try {
                events.put(event);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
