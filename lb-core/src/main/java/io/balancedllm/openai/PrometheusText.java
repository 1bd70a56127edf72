/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * Reads the text format of Prometheus, and OpenMetrics as far as it is the same: the samples that are wanted, and nothing
 * else. Comments, time stamps and exemplars are skipped; a line that is malformed is skipped, too, since what it would
 * have said is then absent. Memory and time are linear in the text.
 */
final class PrometheusText {
    /** Lines longer than this are skipped; vLLM's longest has 2 KB. */
    static final int MAX_LINE_BYTES = 64 << 10;

    private PrometheusText() {}

    /** Takes samples. */
    @FunctionalInterface
    interface Samples {
        /** A sample of a finite value, with its labels. */
        void sample(String name, Map<String, String> labels, double value);
    }

    /** Which names are wanted. */
    @FunctionalInterface
    interface Wanted {
        boolean test(String name);
    }

    static void read(byte[] text, Wanted wanted, Samples samples) {
        int start = 0;
        while (start < text.length) {
            int end = start;
            while (end < text.length && text[end] != '\n') {
                end++;
            }
            if (end - start <= MAX_LINE_BYTES) {
                line(text, start, end, wanted, samples);
            }
            start = end + 1;
        }
    }

    private static void line(byte[] text, int start, int end, Wanted wanted, Samples samples) {
        int nameEnd = start;
        while (nameEnd < end && isNamePart(text[nameEnd])) {
            nameEnd++;
        }
        if (nameEnd == start) {
            return; // a comment, or nothing
        }
        String name = new String(text, start, nameEnd - start, StandardCharsets.ISO_8859_1);
        if (!wanted.test(name)) {
            return;
        }
        Line rest = new Line(new String(text, nameEnd, end - nameEnd, StandardCharsets.UTF_8));
        Map<String, String> labels = new HashMap<>();
        if (rest.labels(labels)) {
            double value = rest.value();
            if (!Double.isNaN(value) && !Double.isInfinite(value)) {
                samples.sample(name, labels, value);
            }
        }
    }

    private static boolean isNamePart(byte c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
    }

    /** What follows the name of a sample. */
    private static final class Line {
        private final String text;
        private int at;

        Line(String text) {
            this.text = text;
        }

        /** {@return whether the labels, which may be missing, are well formed} */
        boolean labels(Map<String, String> into) {
            skipBlanks();
            if (!take('{')) {
                return true;
            }
            while (true) {
                skipBlanks();
                if (take('}')) {
                    return true;
                }
                int start = at;
                while (at < text.length() && text.charAt(at) != '=' && text.charAt(at) != '}') {
                    at++;
                }
                String name = text.substring(start, at).strip();
                if (!take('=')) {
                    return false;
                }
                skipBlanks();
                if (!take('"')) {
                    return false;
                }
                StringBuilder value = new StringBuilder();
                if (!quoted(value)) {
                    return false;
                }
                into.put(name, value.toString());
                skipBlanks();
                take(',');
            }
        }

        private boolean quoted(StringBuilder into) {
            while (at < text.length()) {
                char c = text.charAt(at++);
                if (c == '"') {
                    return true;
                }
                if (c == '\\' && at < text.length()) {
                    char escaped = text.charAt(at++);
                    into.append(escaped == 'n' ? '\n' : escaped);
                } else {
                    into.append(c);
                }
            }
            return false;
        }

        /** {@return the value, NaN when it is none} */
        double value() {
            skipBlanks();
            int start = at;
            while (at < text.length() && text.charAt(at) > ' ') {
                at++;
            }
            try {
                return Double.parseDouble(text.substring(start, at));
            } catch (NumberFormatException e) {
                return Double.NaN; // also +Inf and the like: nothing to count with
            }
        }

        private void skipBlanks() {
            while (at < text.length() && (text.charAt(at) == ' ' || text.charAt(at) == '\t')) {
                at++;
            }
        }

        private boolean take(char c) {
            if (at < text.length() && text.charAt(at) == c) {
                at++;
                return true;
            }
            return false;
        }
    }
}
