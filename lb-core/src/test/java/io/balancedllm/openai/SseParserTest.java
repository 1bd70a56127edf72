/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.LlmException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class SseParserTest {
    private static final SseEvent A = new SseEvent("", "a");
    private static final SseEvent B = new SseEvent("", "b");

    @Test
    void linesEndWithAnyOfTheThreeEnds() {
        assertThat(parse("data: a\n\ndata: b\n\n")).containsExactly(A, B);
        assertThat(parse("data: a\r\n\r\ndata: b\r\n\r\n")).containsExactly(A, B);
        assertThat(parse("data: a\r\rdata: b\r\r")).containsExactly(A, B);
    }

    @Test
    void exactlyOneSpaceIsStripped() {
        assertThat(parse("data:a\n\ndata:  a\n\n")).containsExactly(A, new SseEvent("", " a"));
    }

    @Test
    void dataLinesAreJoinedByLineFeeds() {
        assertThat(parse("data: 1\ndata\ndata: 3\n\n")).containsExactly(new SseEvent("", "1\n\n3"));
    }

    @Test
    void commentsAreReportedAndOtherFieldsSkipped() {
        assertThat(parse(": ping\n\nid: 1\nretry: 5\nwhat: x\ndata: a\n\n")).containsExactly(SseEvent.COMMENT, A);
    }

    @Test
    void anEventKeepsItsName() {
        assertThat(parse("event: error\ndata: a\n\ndata: a\n\n")).containsExactly(new SseEvent("error", "a"), A);
    }

    @Test
    void theLastEventNeedsNoBlankLineAndNoLineEnd() {
        assertThat(parse("data: a\n")).containsExactly(A);
        assertThat(parse("data: a")).containsExactly(A);
    }

    @Test
    void aByteOrderMarkIsSkipped() {
        assertThat(parse("\uFEFFdata: a\n\n")).containsExactly(A);
    }

    @Test
    void anEndlessEventFailsTyped() {
        SseParser parser = new SseParser();
        byte[] piece = "data: ".concat("x".repeat(60_000)).getBytes(StandardCharsets.UTF_8);
        assertThatThrownBy(() -> {
                    for (int i = 0; i < 1_000; i++) {
                        parser.feed(piece, 0, piece.length);
                        parser.next();
                    }
                })
                .isInstanceOf(LlmException.class)
                .hasMessageContaining(Integer.toString(SseParser.MAX_EVENT_BYTES));
    }

    @Test
    void manyShortLinesOfOneEventFailTypedToo() {
        SseParser parser = new SseParser();
        byte[] piece = "data:\n".repeat(10_000).getBytes(StandardCharsets.UTF_8);
        assertThatThrownBy(() -> {
                    for (int i = 0; i < 1_000; i++) {
                        parser.feed(piece, 0, piece.length);
                        parser.next();
                    }
                })
                .isInstanceOf(LlmException.class);
    }

    @Test
    void aSplitAtAnyByteChangesNothing() {
        String text =
                "data: \u00e4\u20ac\ud83d\ude00\r\n\r\n: c\r\rdata: 1\r\ndata: 2\n\nevent: e\ndata: x\n\ndata: [DONE]";
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        List<SseEvent> whole = parse(text);
        for (int first = 0; first <= bytes.length; first++) {
            for (int second = first; second <= bytes.length; second++) {
                assertThat(parse(bytes, first, second)).isEqualTo(whole);
            }
        }
    }

    private static List<SseEvent> parse(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return parse(bytes, bytes.length, bytes.length);
    }

    private static List<SseEvent> parse(byte[] bytes, int... splits) {
        SseParser parser = new SseParser();
        List<SseEvent> events = new ArrayList<>();
        int from = 0;
        for (int i = 0; i <= splits.length; i++) {
            int to = i < splits.length ? splits[i] : bytes.length;
            byte[] piece = java.util.Arrays.copyOfRange(bytes, from, to);
            parser.feed(piece, 0, piece.length);
            for (SseEvent event = parser.next(); event != null; event = parser.next()) {
                events.add(event);
            }
            from = to;
        }
        SseEvent last = parser.end();
        if (last != null) {
            events.add(last);
        }
        return events;
    }
}
