/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import okhttp3.Response;
import okhttp3.ResponseBody;
import okio.BufferedSource;
import org.jspecify.annotations.Nullable;

/**
 * One attempt over HTTP. Its reader thread sends the request, reads the response and waits while no chunk is asked for,
 * so that TCP holds the server back; any other thread may ask, cancel or end it.
 */
final class HttpGeneration extends HttpTask implements Generation {
    private static final int BUFFER_BYTES = 8 << 10;

    private final Attempt<CompletionRequest> attempt;
    private final Operation operation;
    private final SinkGuard sink;
    private final Demand demand = new Demand();

    HttpGeneration(HttpTransport transport, Attempt<CompletionRequest> attempt, GenerationSink sink) {
        super(transport, attempt.request().operation() == Operation.CHAT ? "v1/chat/completions" : "v1/completions");
        this.attempt = attempt;
        this.operation = attempt.request().operation();
        this.sink = new SinkGuard(sink);
    }

    @Override
    public void request(int chunks) {
        demand.add(chunks);
    }

    @Override
    public void cancel() {
        sink.cancelled();
        stop();
        demand.wake();
    }

    @Override
    void fail(LlmException cause) {
        sink.failed(cause);
        stop();
        demand.wake();
    }

    @Override
    boolean hasEnded() {
        return sink.hasEnded();
    }

    @Override
    Exchange exchange() {
        Map<String, @Nullable Object> body = RequestJson.write(attempt.request());
        boolean stream = !Boolean.FALSE.equals(body.get("stream"));
        if (stream) {
            body.put("stream", true);
            if (body.get("stream_options") == null) {
                Map<String, @Nullable Object> options = new LinkedHashMap<>();
                options.put("include_usage", true);
                body.put("stream_options", options);
            }
        } else {
            body.remove("stream_options"); // without streaming a fault on vLLM
        }
        return transport().post(path(), attempt, stream, Json.write(body));
    }

    @Override
    void read(Response response) throws IOException {
        if (!sink.accepted(new ResponseInfo(response.code(), HttpTransport.headersOf(response)))) {
            return;
        }
        EngineReport load = EngineLoad.orca(response.header(EngineLoad.ORCA));
        if (!load.isEmpty() && !sink.report(load)) {
            return;
        }
        ResponseBody body = response.body();
        if (isJson(response, body.source())) {
            readWhole(body);
        } else {
            readStream(body);
        }
    }

    /** {@return whether the body is one JSON object; where the type tells nothing, its first character does} */
    private static boolean isJson(Response response, BufferedSource source) throws IOException {
        String type = response.header("Content-Type", "");
        String lower = type == null ? "" : type.toLowerCase(Locale.ROOT);
        if (lower.contains("event-stream")) {
            return false;
        }
        if (lower.contains("json")) {
            return true;
        }
        while (source.request(1)) {
            byte first = source.getBuffer().getByte(0);
            if (first == '{') {
                return true;
            }
            if ("data:event:id:retry".indexOf(first) >= 0 || first == (byte) 0xEF) {
                return false;
            }
            if (!Character.isWhitespace(first)) {
                break;
            }
            source.skip(1);
        }
        throw OpenAiJson.protocol(
                "the answer is neither an event stream nor JSON but \"" + lower + "\"; is this the server's base URL?");
    }

    private void readWhole(ResponseBody body) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            if (!HttpTransport.copy(body.byteStream(), bytes, OpenAiJson.MAX_BODY_BYTES)) {
                throw OpenAiJson.protocol("the answer has more than " + OpenAiJson.MAX_BODY_BYTES + " bytes");
            }
        } catch (IOException e) {
            throw LlmException.builder(Reason.TRUNCATED, "the answer ended in the middle: " + e.getMessage())
                    .cause(e)
                    .build();
        }
        Completion completion = OpenAiJson.readCompletion(operation, bytes.toByteArray());
        if (completion.choices().isEmpty()) {
            throw OpenAiJson.protocol("the answer has no choice");
        }
        for (CompletionChunk chunk : ChunkJson.of(completion)) {
            if (!deliver(chunk)) {
                return;
            }
        }
        sink.completed();
    }

    private void readStream(ResponseBody body) {
        InputStream in = body.byteStream();
        byte[] buffer = new byte[BUFFER_BYTES];
        AnswerStream stream = new AnswerStream(operation, AnswerStream.choices(attempt.request()));
        IOException broken = null;
        try {
            while (true) {
                switch (stream.next()) {
                    case CHUNK -> {
                        if (!deliver(stream.chunk())) {
                            return;
                        }
                    }
                    case ALIVE -> {
                        if (!sink.alive()) {
                            return;
                        }
                    }
                    case COMPLETE -> {
                        sink.completed();
                        return;
                    }
                    case MORE -> {
                        int read;
                        try {
                            read = in.read(buffer);
                        } catch (IOException e) {
                            broken = e; // the verdict is the same as at a clean end: by what has come
                            read = -1;
                        }
                        if (read < 0) {
                            stream.end();
                        } else {
                            stream.feed(buffer, 0, read);
                        }
                    }
                }
            }
        } catch (LlmException e) {
            throw broken == null ? e : e.newBuilder().cause(broken).build();
        }
    }

    private boolean deliver(CompletionChunk chunk) {
        if (demand.take(sink::hasEnded)) {
            return sink.chunk(chunk);
        }
        if (!sink.hasEnded()) {
            throw new LlmException(Reason.CLOSED, "the thread that read the answer was interrupted");
        }
        return false;
    }
}
