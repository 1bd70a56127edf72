/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.ProtocolException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Reads one HTTP/1.x request; refuses what it does not understand with a {@link ProtocolException}. */
final class HttpReader {
    private static final int MAX_LINE = 64 * 1024;
    private static final int MAX_HEADERS = 200;
    private static final int MAX_BODY = 64 * 1024 * 1024;

    private HttpReader() {}

    /** The head of a request. */
    record Head(String method, String target, String version, Map<String, String> headers) {
        String header(String name) {
            return headers.getOrDefault(name, "");
        }

        boolean wantsClose() {
            String connection = header("connection").toLowerCase(Locale.ROOT);
            return connection.contains("close") || (version.equals("HTTP/1.0") && !connection.contains("keep-alive"));
        }

        boolean expectsContinue() {
            return header("expect").equalsIgnoreCase("100-continue");
        }
    }

    static Head head(int first, InputStream in) throws IOException {
        String[] parts = ((char) first + line(in)).split(" ", -1);
        if (parts.length != 3 || !parts[2].startsWith("HTTP/1.")) {
            throw new ProtocolException("not an HTTP/1.x request line");
        }
        Map<String, String> headers = new LinkedHashMap<>();
        for (String line = line(in); !line.isEmpty(); line = line(in)) {
            int colon = line.indexOf(':');
            if (colon < 1 || headers.size() >= MAX_HEADERS) {
                throw new ProtocolException("not a header line, or too many of them");
            }
            headers.put(
                    line.substring(0, colon).toLowerCase(Locale.ROOT),
                    line.substring(colon + 1).strip());
        }
        return new Head(parts[0], parts[1], parts[2], headers);
    }

    static String body(Head head, InputStream in) throws IOException {
        if (head.header("transfer-encoding").toLowerCase(Locale.ROOT).contains("chunked")) {
            return chunkedBody(in);
        }
        String length = head.header("content-length");
        return length.isEmpty() ? "" : new String(exactly(number(length, 10), in), StandardCharsets.UTF_8);
    }

    private static String chunkedBody(InputStream in) throws IOException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        while (true) {
            String size = line(in);
            int extension = size.indexOf(';');
            int length = number(extension < 0 ? size : size.substring(0, extension), 16);
            if (length == 0) {
                while (!line(in).isEmpty()) {} // trailers
                return body.toString(StandardCharsets.UTF_8);
            }
            if (body.size() + length > MAX_BODY) {
                throw new ProtocolException("the body is too large");
            }
            body.writeBytes(exactly(length, in));
            if (!line(in).isEmpty()) {
                throw new ProtocolException("a chunk is longer than its size");
            }
        }
    }

    private static int number(String digits, int radix) throws ProtocolException {
        try {
            int number = Integer.parseInt(digits.strip(), radix);
            if (number >= 0 && number <= MAX_BODY) {
                return number;
            }
            throw new ProtocolException("a length out of range: " + number);
        } catch (NumberFormatException e) {
            ProtocolException refused = new ProtocolException("not a length");
            refused.initCause(e);
            throw refused;
        }
    }

    private static byte[] exactly(int length, InputStream in) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new EOFException("the client went away inside its request");
        }
        return bytes;
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int b = in.read(); b != '\n'; b = in.read()) {
            if (b < 0) {
                throw new EOFException("the client went away inside its request");
            }
            if (line.length() >= MAX_LINE) {
                throw new ProtocolException("a line of more than " + MAX_LINE + " bytes");
            }
            line.append((char) b);
        }
        int end = line.length();
        if (end > 0 && line.charAt(end - 1) == '\r') {
            line.setLength(end - 1);
        }
        return line.toString();
    }
}
