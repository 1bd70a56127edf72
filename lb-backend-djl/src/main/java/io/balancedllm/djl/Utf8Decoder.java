/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/**
 * Decodes UTF-8 byte by byte with one U+FFFD for each maximal ill-formed part, as the WHATWG encoding standard says. The
 * JDK's decoder gives one for a whole encoded surrogate, where three are due. Not thread-safe.
 */
final class Utf8Decoder {
    private static final char REPLACEMENT = '\uFFFD';

    private int missing;
    private int codePoint;
    private int lowest = 0x80;
    private int highest = 0xBF;

    void append(byte signed, StringBuilder out) {
        int value = signed & 0xFF;
        if (missing > 0 && (value < lowest || value > highest)) {
            finish(out);
        }
        if (missing == 0) {
            begin(value, out);
            return;
        }
        lowest = 0x80;
        highest = 0xBF;
        codePoint = (codePoint << 6) | (value & 0x3F);
        if (--missing == 0) {
            out.appendCodePoint(codePoint);
        }
    }

    void finish(StringBuilder out) {
        if (missing > 0) {
            out.append(REPLACEMENT);
            missing = 0;
            lowest = 0x80;
            highest = 0xBF;
        }
    }

    private void begin(int value, StringBuilder out) {
        if (value < 0x80) {
            out.append((char) value);
        } else if (value >= 0xC2 && value <= 0xDF) {
            missing = 1;
            codePoint = value & 0x1F;
        } else if (value >= 0xE0 && value <= 0xEF) {
            missing = 2;
            codePoint = value & 0xF;
            lowest = value == 0xE0 ? 0xA0 : 0x80;
            highest = value == 0xED ? 0x9F : 0xBF;
        } else if (value >= 0xF0 && value <= 0xF4) {
            missing = 3;
            codePoint = value & 0x7;
            lowest = value == 0xF0 ? 0x90 : 0x80;
            highest = value == 0xF4 ? 0x8F : 0xBF;
        } else {
            out.append(REPLACEMENT);
        }
    }
}
