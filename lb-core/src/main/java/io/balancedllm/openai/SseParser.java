/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Server-sent events from bytes as they come, split anywhere. Lines end with LF, CR LF or CR; a comment is reported as a
 * sign of life; {@code id}, {@code retry} and unknown fields are skipped. Not thread-safe.
 */
final class SseParser {
    /** Bytes of one event, its line ends aside; more fail the stream. A chunk with 500 log probabilities has 40 kB. */
    static final int MAX_EVENT_BYTES = 4 << 20;

    private static final int FIRST_LINE_CAPACITY = 512;
    private static final byte[] NOTHING = new byte[0];

    private byte[] input = NOTHING;
    private int position;
    private int limit;

    private byte[] line = new byte[FIRST_LINE_CAPACITY];
    private int lineLength;
    private boolean skipLineFeed;
    private boolean firstLine = true;

    private String type = "";
    private @Nullable StringBuilder moreData;
    private @Nullable String data;
    private int eventBytes;

    /** Hands over bytes; the array is read until {@link #next} returns null. */
    void feed(byte[] bytes, int from, int to) {
        input = bytes;
        position = from;
        limit = to;
    }

    /**
     * {@return the next event or comment, or null when more bytes are needed}
     *
     * @throws LlmException PROTOCOL_ERROR when an event is too long
     */
    @Nullable
    SseEvent next() {
        while (position < limit) {
            if (skipLineFeed) {
                skipLineFeed = false;
                if (input[position] == '\n') {
                    position++;
                    continue;
                }
            }
            int end = endOfLine();
            int length = end - position;
            eventBytes += length;
            if (eventBytes > MAX_EVENT_BYTES) {
                throw new LlmException(
                        Reason.PROTOCOL_ERROR, "an event of the stream is longer than " + MAX_EVENT_BYTES + " bytes");
            }
            if (end == limit) {
                keep(position, length);
                position = limit;
                return null;
            }
            SseEvent event;
            if (lineLength == 0) {
                event = line(input, position, end);
            } else {
                keep(position, length);
                event = line(line, 0, lineLength);
                lineLength = 0;
            }
            skipLineFeed = input[end] == '\r';
            position = end + 1;
            if (event != null) {
                return event;
            }
        }
        return null;
    }

    /** {@return what the stream's end leaves behind without a blank line after it, or null} */
    @Nullable
    SseEvent end() {
        if (lineLength > 0) {
            SseEvent event = line(line, 0, lineLength);
            lineLength = 0;
            if (event != null) {
                return event;
            }
        }
        return dispatch();
    }

    private int endOfLine() {
        int at = position;
        while (at < limit && input[at] != '\n' && input[at] != '\r') {
            at++;
        }
        return at;
    }

    private void keep(int from, int length) {
        if (lineLength + length > line.length) {
            line = Arrays.copyOf(line, Math.max(lineLength + length, line.length * 2));
        }
        System.arraycopy(input, from, line, lineLength, length);
        lineLength += length;
    }

    private @Nullable SseEvent line(byte[] bytes, int from, int to) {
        int start = from;
        if (firstLine) {
            firstLine = false;
            if (to - from >= 3
                    && bytes[from] == (byte) 0xEF
                    && bytes[from + 1] == (byte) 0xBB
                    && bytes[from + 2] == (byte) 0xBF) {
                start = from + 3; // byte order mark
            }
        }
        if (start == to) {
            return dispatch();
        }
        if (bytes[start] == ':') {
            eventBytes -= to - from;
            return SseEvent.COMMENT;
        }
        int colon = start;
        while (colon < to && bytes[colon] != ':') {
            colon++;
        }
        int value = Math.min(colon + 1, to);
        if (value < to && bytes[value] == ' ') {
            value++;
        }
        if (is(bytes, start, colon, "data")) {
            addData(new String(bytes, value, to - value, StandardCharsets.UTF_8));
        } else if (is(bytes, start, colon, "event")) {
            type = new String(bytes, value, to - value, StandardCharsets.UTF_8);
        }
        return null;
    }

    private static boolean is(byte[] bytes, int from, int to, String name) {
        if (to - from != name.length()) {
            return false;
        }
        for (int i = 0; i < name.length(); i++) {
            if (bytes[from + i] != name.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    private void addData(String value) {
        eventBytes++; // the line feed that joins, so that empty lines cannot add up unseen
        if (data == null) {
            data = value;
            return;
        }
        if (moreData == null) {
            moreData = new StringBuilder(data);
        }
        moreData.append('\n').append(value);
    }

    private @Nullable SseEvent dispatch() {
        SseEvent event = null;
        if (data != null || !type.isEmpty()) {
            String whole = moreData != null ? moreData.toString() : data;
            event = new SseEvent(type, whole == null ? "" : whole);
        }
        type = "";
        data = null;
        moreData = null;
        eventBytes = 0;
        return event;
    }
}
