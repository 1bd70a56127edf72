/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Prompt;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class AnswerStreamTest {
    private static final String TEXT = event("{\"choices\":[{\"index\":0,\"text\":\"a\",\"finish_reason\":null}]}");
    private static final String FINISH =
            event("{\"choices\":[{\"index\":0,\"text\":\"b\",\"finish_reason\":\"stop\"}]}");
    private static final String FINISH_1 =
            event("{\"choices\":[{\"index\":1,\"text\":\"c\",\"finish_reason\":\"stop\"}]}");
    private static final String USAGE =
            event("{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}");
    private static final String ERROR = event("{\"error\":{\"message\":\"boom\",\"code\":500}}");
    private static final String DONE = event("[DONE]");

    private static final List<String> STREAMS = List.of(
            TEXT + FINISH + USAGE + DONE,
            event("null") + ": ping\n\n" + FINISH_1 + TEXT + FINISH + DONE,
            TEXT + ERROR + DONE,
            TEXT + "event: error\ndata: {\"message\":\"boom\"}\n\n",
            TEXT.replace("a", "\u00e4\u20ac\ud83d\ude00") + FINISH.replace("\n", "\r\n"));

    @Test
    void theEndMarkCompletesAnAnswer() {
        assertThat(outcome(1, TEXT + DONE)).isEqualTo("a|COMPLETE");
        assertThat(outcome(1, TEXT + FINISH + USAGE + DONE)).isEqualTo("ab|COMPLETE");
        assertThat(outcome(1, TEXT + FINISH + "data: [DONE]")).isEqualTo("ab|COMPLETE");
    }

    @Test
    void aFinishReasonForEveryChoiceCompletesAnAnswerWithoutEndMark() {
        assertThat(outcome(1, TEXT + FINISH)).isEqualTo("ab|COMPLETE");
        assertThat(outcome(2, TEXT + FINISH + FINISH_1)).isEqualTo("abc|COMPLETE");
    }

    @Test
    void anEndBeforeThatTruncates() {
        assertThat(outcome(1, "")).isEqualTo("|TRUNCATED");
        assertThat(outcome(1, TEXT)).isEqualTo("a|TRUNCATED");
        assertThat(outcome(2, TEXT + FINISH)).isEqualTo("ab|TRUNCATED");
        assertThat(outcome(1, TEXT + FINISH_1)).isEqualTo("ac|TRUNCATED");
        assertThat(outcome(1, TEXT + USAGE)).isEqualTo("a|TRUNCATED");
        assertThat(outcome(1, DONE)).isEqualTo("|TRUNCATED");
        assertThat(outcome(1, TEXT + "data: {\"choices\":[{\"ind")).isEqualTo("a|TRUNCATED");
        assertThat(outcome(1, TEXT + "da")).isEqualTo("a|TRUNCATED");
    }

    @Test
    void anErrorInsideFailsEvenWhenTheEndMarkFollows() {
        assertThat(outcome(1, TEXT + ERROR + DONE)).isEqualTo("a|SERVER_ERROR");
        assertThat(outcome(1, TEXT + "event: error\ndata: oops\n\n" + DONE)).isEqualTo("a|SERVER_ERROR");
        assertThat(outcome(1, TEXT + "event: error\n\n")).isEqualTo("a|SERVER_ERROR");
        assertThat(outcome(1, event("{\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow down\"}}")))
                .isEqualTo("|RATE_LIMITED");
        assertThat(outcome(1, event("{\"error\":{\"message\":\"is overloaded\",\"code\":503}}")))
                .isEqualTo("|OVERLOADED");
        assertThat(outcome(
                        1,
                        event("{\"object\":\"error\",\"message\":\"bad\",\"type\":\"BadRequestError\",\"code\":400}")))
                .isEqualTo("|INVALID_REQUEST");
    }

    @Test
    void aMalformedEventFailsAtOnceSoThatNoHolePassesUnseen() {
        assertThat(outcome(1, TEXT + event("{\"choices\":[{") + FINISH + DONE)).isEqualTo("a|PROTOCOL_ERROR");
        assertThat(outcome(1, TEXT + event("hello") + FINISH + DONE)).isEqualTo("a|PROTOCOL_ERROR");
        assertThat(outcome(1, TEXT + event("[1]") + FINISH + DONE)).isEqualTo("a|PROTOCOL_ERROR");
        assertThat(outcome(1, TEXT + event("[".repeat(200_000)))).isEqualTo("a|PROTOCOL_ERROR");
    }

    @Test
    void whatIsOnlyASignOfLifeChangesNothing() {
        assertThat(outcome(1, ": c\n\n" + event("null") + event("") + TEXT + "event: ping\ndata: {}\n\n" + FINISH))
                .isEqualTo("ab|COMPLETE");
    }

    @Test
    void anObjectWithoutChoicesIsHandedOnAsItIs() {
        assertThat(outcome(1, event("{\"choices\":[],\"prompt_filter_results\":[]}") + TEXT + FINISH + DONE))
                .isEqualTo("ab|COMPLETE");
    }

    @Test
    void choicesAreCountedByPromptsAndN() {
        assertThat(AnswerStream.choices(CompletionRequest.of("x"))).isEqualTo(1);
        assertThat(AnswerStream.choices(CompletionRequest.builder()
                        .prompt(new Prompt.Texts(List.of("a", "b")))
                        .n(3)
                        .build()))
                .isEqualTo(6);
    }

    @Test
    void aSplitOfRealStreamsAtAnyByteChangesNothing() {
        int splits = 0;
        int number = 0;
        for (Recordings.Recording recording : Recordings.all()) {
            if (!recording.isStream() || !(recording.isChat() || recording.isText())) {
                continue;
            }
            Operation operation = recording.isChat() ? Operation.CHAT : Operation.TEXT;
            byte[] body = recording.body();
            String whole = outcome(operation, 1, body, body.length);
            assertThat(outcome(operation, 1, body, 1)).as(recording.name()).isEqualTo(whole);
            if (number++ % 12 == 0 && body.length < 2_500) {
                for (int at = 1; at < body.length; at++) {
                    if (!outcome(operation, 1, body, at).equals(whole)) {
                        throw new AssertionError(recording + " split at " + at + " reads otherwise");
                    }
                    splits++;
                }
            }
        }
        assertThat(splits).isGreaterThan(2_000);
    }

    @Test
    void aHundredThousandMutatedStreamsEndTyped() {
        mutate(100_000, 1);
    }

    @Test
    @Tag("long")
    void aMillionMutatedStreamsEndTyped() {
        mutate(1_000_000, 2);
    }

    private static void mutate(int rounds, long seed) {
        Random random = new Random(seed);
        int completed = 0;
        for (int round = 0; round < rounds; round++) {
            byte[] bytes = STREAMS.get(random.nextInt(STREAMS.size())).getBytes(StandardCharsets.UTF_8);
            for (int i = random.nextInt(4); i >= 0; i--) {
                bytes = mutated(bytes, random);
            }
            String outcome = outcome(Operation.TEXT, 1, bytes, 1 + random.nextInt(Math.max(1, bytes.length)));
            completed += outcome.endsWith("|COMPLETE") ? 1 : 0;
        }
        assertThat(completed).isBetween(rounds / 50, rounds * 9 / 10); // mutations neither spare all nor break all
    }

    private static byte[] mutated(byte[] bytes, Random random) {
        if (bytes.length == 0) {
            return new byte[] {(byte) random.nextInt(256)};
        }
        int at = random.nextInt(bytes.length);
        int length = Math.min(bytes.length - at, 1 + random.nextInt(16));
        byte[] copy = bytes.clone();
        switch (random.nextInt(4)) {
            case 0 -> copy[at] = (byte) random.nextInt(256);
            case 1 -> copy[at] = (byte) "\r\n:{}[]\", 0".charAt(random.nextInt(11));
            case 2 -> {
                copy = new byte[bytes.length - length];
                System.arraycopy(bytes, 0, copy, 0, at);
                System.arraycopy(bytes, at + length, copy, at, bytes.length - at - length);
            }
            default -> {
                copy = new byte[bytes.length + length];
                System.arraycopy(bytes, 0, copy, 0, at + length);
                System.arraycopy(bytes, at, copy, at + length, bytes.length - at);
            }
        }
        return copy;
    }

    private static String event(String data) {
        return "data: " + data + "\n\n";
    }

    private static String outcome(int choices, String stream) {
        byte[] bytes = stream.getBytes(StandardCharsets.UTF_8);
        return outcome(Operation.TEXT, choices, bytes, Math.max(1, bytes.length));
    }

    /** {@return the text and how the stream ended, fed in pieces of this size} Anything but a typed end escapes. */
    private static String outcome(Operation operation, int choices, byte[] bytes, int piece) {
        AnswerStream stream = new AnswerStream(operation, choices);
        StringBuilder text = new StringBuilder();
        int at = 0;
        int steps = 0;
        try {
            while (true) {
                if (steps++ > 3 * bytes.length + 10) {
                    throw new AssertionError("no end in sight: a step must use up a byte");
                }
                switch (stream.next()) {
                    case CHUNK -> text.append(stream.chunk().text());
                    case ALIVE -> {}
                    case COMPLETE -> {
                        return text.append("|COMPLETE").toString();
                    }
                    case MORE -> {
                        int to = Math.min(bytes.length, at + piece);
                        if (at == to) {
                            stream.end();
                        } else {
                            stream.feed(bytes, at, to);
                        }
                        at = to;
                    }
                }
            }
        } catch (LlmException e) {
            return text.append('|').append(e.reason()).toString();
        }
    }
}
