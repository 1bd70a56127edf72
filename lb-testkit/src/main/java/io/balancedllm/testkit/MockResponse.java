/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What a {@link MockLlmServer} does with a request: a head, then steps in order. Start from an answer, cut it, go on in
 * another way. Each method returns a changed copy. Immutable and thread-safe.
 *
 * <pre>{@code
 * MockResponse.chat("Once", " upon").cutBefore("[DONE]");                 // ends cleanly, too early
 * MockResponse.chat("Once", " upon").cutBefore(" upon").reset();          // dies mid-stream
 * MockResponse.sse().comment("keep-alive").stall();                       // alive, and nothing comes
 * MockResponse.error(429, "slow down", "rate_limit").header("Retry-After", "7");
 * }</pre>
 */
public final class MockResponse {
    /** How the end of the body is told. */
    enum Framing {
        LENGTH,
        CHUNKED,
        UNTIL_CLOSE,
        /** The steps are everything, the head included. */
        NONE
    }

    private static final String JSON = "application/json";

    private final Draft draft;

    private MockResponse(Draft draft) {
        this.draft = draft;
    }

    /** {@return an empty event stream, 200} */
    public static MockResponse sse() {
        Draft draft = new Draft();
        draft.framing = Framing.CHUNKED;
        draft.headers.put("Content-Type", "text/event-stream; charset=utf-8");
        draft.headers.put("Cache-Control", "no-cache");
        return new MockResponse(draft);
    }

    /** {@return a streamed chat answer: role, an event for each piece of text, finish reason, {@code [DONE]}} */
    public static MockResponse chat(String... pieces) {
        return OpenAiAnswers.stream(true, "mock", List.of(pieces));
    }

    /** {@return a streamed answer to a plain prompt: an event for each piece of text, finish reason, {@code [DONE]}} */
    public static MockResponse text(String... pieces) {
        return OpenAiAnswers.stream(false, "mock", List.of(pieces));
    }

    /** {@return the answer in the form the request asks for: chat, plain or embeddings, streamed or whole, with usage} */
    public static MockResponse answer(ServedRequest request, String... pieces) {
        return OpenAiAnswers.answer(request, List.of(), List.of(pieces));
    }

    /** {@return a JSON body} */
    public static MockResponse json(int status, String json) {
        return body(status, JSON, json);
    }

    /** {@return an error in OpenAI's form} */
    public static MockResponse error(int status, String message, String type) {
        return json(status, OpenAiAnswers.error(message, type, status));
    }

    /** {@return a body of any type} */
    public static MockResponse body(int status, String contentType, String text) {
        Draft draft = new Draft();
        draft.status = status;
        draft.headers.put("Content-Type", contentType);
        draft.steps.add(new BodyStep.Write(text));
        return new MockResponse(draft);
    }

    /** {@return exactly these bytes instead of a response, then the end of the connection} */
    public static MockResponse raw(byte[] bytes) {
        Draft draft = new Draft();
        draft.framing = Framing.NONE;
        draft.steps.add(new BodyStep.Write(bytes));
        return new MockResponse(draft);
    }

    /** Sets the status. */
    public MockResponse status(int status) {
        return with(draft -> draft.status = status);
    }

    /** Sets a header; {@code Content-Length} too, to lie about it. */
    public MockResponse header(String name, String value) {
        return with(draft -> draft.headers.put(name, value));
    }

    /** Sends the head only after this time. */
    public MockResponse delayHead(Duration delay) {
        return with(draft -> draft.beforeHead.add(new BodyStep.Pause(delay)));
    }

    /** Sends the head only when {@link MockLlmServer#release} says so. */
    public MockResponse stallHead() {
        return with(draft -> draft.beforeHead.add(new BodyStep.Stall()));
    }

    /** Drops the first event that contains this text, and everything behind it. */
    public MockResponse cutBefore(String needle) {
        for (int i = 0; i < draft.steps.size(); i++) {
            if (draft.steps.get(i).contains(needle)) {
                return cut(i);
            }
        }
        throw new IllegalArgumentException("no event contains \"" + needle + "\"");
    }

    /** Drops everything behind this many steps; each event is one. */
    public MockResponse cutAfter(int steps) {
        if (steps < 0 || steps > draft.steps.size()) {
            throw new IllegalArgumentException(
                    "there are " + draft.steps.size() + " steps, so none to cut after " + steps);
        }
        return cut(steps);
    }

    private MockResponse cut(int from) {
        return with(draft -> draft.steps.subList(from, draft.steps.size()).clear());
    }

    /** Adds {@code data: ...}. */
    public MockResponse data(String data) {
        return data(List.of(data));
    }

    MockResponse data(List<String> events) {
        return with(draft -> events.forEach(event -> draft.steps.add(new BodyStep.Write("data: " + event + "\n\n"))));
    }

    /** Adds {@code event: ...} and {@code data: ...}. */
    public MockResponse event(String event, String data) {
        return add(new BodyStep.Write("event: " + event + "\ndata: " + data + "\n\n"));
    }

    /** Adds a comment, the keep-alive of event streams. */
    public MockResponse comment(String text) {
        return add(new BodyStep.Write(": " + text + "\n\n"));
    }

    /** Adds an error in OpenAI's form as {@code data}: what engines do when they fail after the head. */
    public MockResponse inBandError(String message, String type) {
        return data(OpenAiAnswers.error(message, type, 500));
    }

    /** Adds {@code data: [DONE]}. */
    public MockResponse done() {
        return data(OpenAiAnswers.DONE);
    }

    /** Adds any bytes. */
    public MockResponse bytes(byte[] bytes) {
        return add(new BodyStep.Write(bytes));
    }

    /** Adds the steps of another response, without its head. */
    public MockResponse then(MockResponse other) {
        return with(draft -> draft.steps.addAll(other.draft.steps));
    }

    /** Adds a pause. */
    public MockResponse pause(Duration duration) {
        return add(new BodyStep.Pause(duration));
    }

    /** Puts a pause between all steps there are. */
    public MockResponse pauseBetween(Duration duration) {
        return with(draft -> {
            List<BodyStep> spaced = new ArrayList<>();
            for (BodyStep step : draft.steps) {
                if (!spaced.isEmpty()) {
                    spaced.add(new BodyStep.Pause(duration));
                }
                spaced.add(step);
            }
            draft.steps = spaced;
        });
    }

    /** Adds a halt: nothing is sent until {@link MockLlmServer#release}, or the client goes away. */
    public MockResponse stall() {
        return add(new BodyStep.Stall());
    }

    /** Adds the moment {@link ServedRequest#cancelledAfter} counts from; without it that is the first byte. */
    public MockResponse mark() {
        return add(new BodyStep.Mark());
    }

    /** Adds the end of the connection in the middle of the message: no length kept, no last HTTP chunk. */
    public MockResponse hangUp() {
        return add(new BodyStep.HangUp());
    }

    /** Adds a TCP reset. */
    public MockResponse reset() {
        return add(new BodyStep.Reset());
    }

    /** Adds {@code data: ...} again and again, as fast as the client reads, until it goes away. */
    public MockResponse endless(String data) {
        return endless(data, Duration.ZERO);
    }

    /** Adds {@code data: ...} again and again, with this pause before each, until the client goes away. */
    public MockResponse endless(String data, Duration pause) {
        return add(new BodyStep.Endless(new BodyStep.Write("data: " + data + "\n\n"), pause));
    }

    /** Writes at most this many bytes at a time, each write an HTTP chunk where the body has chunks. */
    public MockResponse splitEvery(int bytes) {
        if (bytes < 1) {
            throw new IllegalArgumentException("splitEvery takes at least 1 byte, got " + bytes);
        }
        return with(draft -> draft.splitEvery = bytes);
    }

    /** Begins a new write at each of these offsets of the body, in ascending order. */
    public MockResponse splitAt(int... offsets) {
        return with(draft -> draft.splitAt = offsets.clone());
    }

    /** Tells no length: the body ends with the connection, as in HTTP/1.0. */
    public MockResponse untilClose() {
        return with(draft -> draft.framing = Framing.UNTIL_CLOSE);
    }

    int status() {
        return draft.status;
    }

    Map<String, String> headers() {
        return draft.headers;
    }

    Framing framing() {
        return draft.framing;
    }

    List<BodyStep> beforeHead() {
        return draft.beforeHead;
    }

    List<BodyStep> steps() {
        return draft.steps;
    }

    /** The offset at which the write that begins at {@code from} must end. */
    long writeEnd(long from, long bodyEnd) {
        long end = Math.min(bodyEnd, from + draft.splitEvery);
        for (int offset : draft.splitAt) {
            if (offset > from) {
                return Math.min(end, offset);
            }
        }
        return end;
    }

    private MockResponse add(BodyStep step) {
        return with(draft -> draft.steps.add(step));
    }

    private MockResponse with(Consumer<Draft> change) {
        Draft copy = new Draft();
        copy.status = draft.status;
        copy.headers.putAll(draft.headers);
        copy.framing = draft.framing;
        copy.beforeHead.addAll(draft.beforeHead);
        copy.steps.addAll(draft.steps);
        copy.splitEvery = draft.splitEvery;
        copy.splitAt = draft.splitAt;
        change.accept(copy);
        return new MockResponse(copy);
    }

    @Override
    public String toString() {
        return "MockResponse{" + draft.status + ", " + draft.steps.size() + " steps}";
    }

    /** What a response is made of; changed only before it is one. */
    private static final class Draft {
        private int status = 200;
        private final Map<String, String> headers = new LinkedHashMap<>();
        private Framing framing = Framing.LENGTH;
        private final List<BodyStep> beforeHead = new ArrayList<>();
        private List<BodyStep> steps = new ArrayList<>();
        private int splitEvery = Integer.MAX_VALUE;
        private int[] splitAt = {};
    }
}
