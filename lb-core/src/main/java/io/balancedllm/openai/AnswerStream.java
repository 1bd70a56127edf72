/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Prompt;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.Queue;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads a streamed answer: bytes in, chunks out, and one verdict. Not thread-safe. The rules:
 *
 * <table>
 * <caption>How a stream ends</caption>
 * <tr><th>seen</th><th>verdict</th></tr>
 * <tr><td>{@code [DONE]} after at least one choice</td><td>complete</td></tr>
 * <tr><td>the end, after a {@code finish_reason} for every choice asked for and every choice seen (no {@code [DONE]}:
 *     {@code transformers serve})</td><td>complete</td></tr>
 * <tr><td>the end, clean or not, without these, also in the middle of an event; {@code [DONE]} without any choice</td>
 *     <td>TRUNCATED</td></tr>
 * <tr><td>{@code {"error":...}} or {@code event: error}, also when {@code [DONE]} follows (a dying vLLM engine)</td>
 *     <td>that error, at once</td></tr>
 * <tr><td>an event that is no JSON object</td><td>PROTOCOL_ERROR, at once: an answer with a hole in it must not pass for
 *     a whole one</td></tr>
 * <tr><td>an event longer than {@value SseParser#MAX_EVENT_BYTES} bytes</td><td>PROTOCOL_ERROR, at once</td></tr>
 * <tr><td>a comment, {@code data: null}, empty data, {@code event: ping}</td><td>a sign of life, nothing else</td></tr>
 * <tr><td>a JSON object without choices or usage</td><td>handed on as {@link CompletionChunk.Raw}</td></tr>
 * </table>
 */
final class AnswerStream {
    /** Choices whose end is remembered; a server that invents more of them breaks the protocol. */
    static final int MAX_CHOICES = 4_096;

    private static final String DONE = "[DONE]";

    /** What {@link #next} found. */
    enum Step {
        /** A chunk: {@link #chunk} has it. */
        CHUNK,
        /** A sign of life. */
        ALIVE,
        /** The answer is whole; nothing more is to be read. */
        COMPLETE,
        /** More bytes are needed. */
        MORE
    }

    private final Operation operation;
    private final int expectedChoices;
    private final SseParser parser = new SseParser();
    private final Queue<CompletionChunk> pending = new ArrayDeque<>();
    private final Set<Integer> begun = new HashSet<>();
    private final Set<Integer> finished = new HashSet<>();
    private @Nullable CompletionChunk chunk;
    private boolean ended;
    private boolean complete;

    AnswerStream(Operation operation, int expectedChoices) {
        this.operation = operation;
        this.expectedChoices = expectedChoices;
    }

    /** {@return how many choices answer this request: n for each prompt} */
    static int choices(CompletionRequest request) {
        int prompts = 1;
        if (request.prompt() instanceof Prompt.Texts texts) {
            prompts = texts.texts().size();
        } else if (request.prompt() instanceof Prompt.Tokens tokens) {
            prompts = tokens.sequences().size();
        }
        return (int) Math.min(Integer.MAX_VALUE, (long) prompts * request.n());
    }

    void feed(byte[] bytes, int from, int to) {
        parser.feed(bytes, from, to);
    }

    /** Says that no more bytes come; {@link #next} then ends with COMPLETE or throws. */
    void end() {
        ended = true;
    }

    /** {@return the chunk of the last {@link Step#CHUNK}} */
    CompletionChunk chunk() {
        if (chunk == null) {
            throw new IllegalStateException("no chunk was read");
        }
        return chunk;
    }

    /**
     * {@return what comes next}
     *
     * @throws LlmException the verdict, when it is a failure
     */
    Step next() {
        chunk = pending.poll();
        if (chunk != null) {
            return Step.CHUNK;
        }
        if (complete) {
            return Step.COMPLETE;
        }
        SseEvent event = parser.next();
        if (event == null && ended) {
            SseEvent last = parser.end();
            if (last != null) {
                return lastStep(last);
            }
        }
        if (event != null) {
            return step(event);
        }
        if (!ended) {
            return Step.MORE;
        }
        if (wholeWithoutMark()) {
            return Step.COMPLETE;
        }
        throw truncated();
    }

    /** The last event may lack its blank line; when it lacks more than that, the stream was cut in the middle of it. */
    private Step lastStep(SseEvent event) {
        try {
            return step(event);
        } catch (LlmException e) {
            throw e.reason() == Reason.PROTOCOL_ERROR ? truncated() : e;
        }
    }

    private boolean wholeWithoutMark() {
        return !finished.isEmpty() && finished.size() >= expectedChoices && finished.containsAll(begun);
    }

    private LlmException truncated() {
        return new LlmException(
                Reason.TRUNCATED,
                begun.isEmpty()
                        ? "the stream ended before any of the answer had come"
                        : "the stream ended in the middle of the answer, " + finished.size() + " of "
                                + Math.max(expectedChoices, begun.size()) + " choices had a finish reason");
    }

    private Step step(SseEvent event) {
        if (event.isComment()) {
            return Step.ALIVE;
        }
        if (event.type().equals("error")) {
            throw ErrorJson.inBand(event.data());
        }
        String data = event.data();
        if (data.isBlank() || event.type().equals("ping")) {
            return Step.ALIVE;
        }
        if (data.strip().equals(DONE)) {
            if (begun.isEmpty()) {
                throw truncated();
            }
            complete = true;
            return Step.COMPLETE;
        }
        for (CompletionChunk read : ChunkJson.read(operation, data)) {
            note(read);
            pending.add(read);
        }
        chunk = pending.poll();
        return chunk == null ? Step.ALIVE : Step.CHUNK;
    }

    private void note(CompletionChunk read) {
        if (read instanceof CompletionChunk.Delta delta) {
            begun.add(delta.index());
            if (delta.finishReason().isPresent()) {
                finished.add(delta.index());
            }
            if (begun.size() > Math.max(MAX_CHOICES, expectedChoices)) {
                throw OpenAiJson.protocol("the stream has more than " + MAX_CHOICES + " choices");
            }
        }
    }
}
