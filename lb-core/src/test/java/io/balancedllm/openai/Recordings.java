/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** Bytes recorded from real engines. They lie beside the checkout; tests that need them are skipped without them. */
final class Recordings {
    static final List<String> ENGINES = List.of(
            "vllm-0.32.0",
            "llamacpp-b11434",
            "llm-d-inference-sim-2026-08-20",
            "dynamo-1.6.1",
            "transformers-serve-5.19.0");

    private static final Path ROOT = Path.of(System.getProperty("reference.data", "../../shared"), "fixtures");

    private Recordings() {}

    /** One recorded exchange: the request's path and body, the response as it came over the socket. */
    record Recording(String name, String path, String latinRequest, String latinResponse) {
        byte[] request() {
            return latinRequest.getBytes(StandardCharsets.ISO_8859_1);
        }

        byte[] response() {
            return latinResponse.getBytes(StandardCharsets.ISO_8859_1);
        }

        boolean isChat() {
            return path.equals("/v1/chat/completions");
        }

        boolean isText() {
            return path.equals("/v1/completions");
        }

        int status() {
            return Integer.parseInt(latinResponse.substring(9, 12));
        }

        String head() {
            return latinResponse
                    .substring(0, Math.max(0, latinResponse.indexOf("\r\n\r\n")))
                    .toLowerCase(Locale.ROOT);
        }

        boolean isStream() {
            return head().contains("text/event-stream");
        }

        /** The body without its chunk framing. */
        byte[] body() {
            byte[] raw = bodyOf(response());
            return head().contains("transfer-encoding: chunked") ? dechunked(raw) : raw;
        }

        @Override
        public String toString() {
            return name;
        }
    }

    static List<Recording> all() {
        Assumptions.assumeTrue(Files.isDirectory(ROOT), "no recordings at " + ROOT.toAbsolutePath());
        List<Recording> recordings = new ArrayList<>();
        for (String engine : ENGINES) {
            try (Stream<Path> files = Files.list(ROOT.resolve(engine))) {
                files.filter(file -> file.toString().endsWith(".response"))
                        .sorted()
                        .forEach(file -> recordings.add(read(engine, file)));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return recordings;
    }

    static Recording named(String name) {
        return all().stream()
                .filter(recording -> recording.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static Recording read(String engine, Path file) {
        try {
            String base = file.getFileName().toString().replace(".response", "");
            Path asked = file.resolveSibling(base + ".request");
            byte[] request = Files.exists(asked) ? Files.readAllBytes(asked) : new byte[0];
            String line = new String(request, StandardCharsets.ISO_8859_1);
            String response = Files.readString(file, StandardCharsets.ISO_8859_1);
            return new Recording(
                    engine + "/" + base,
                    line.isEmpty() ? guessedPath(base, response) : postedTo(line),
                    new String(bodyOf(request), StandardCharsets.ISO_8859_1),
                    response);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String postedTo(String request) {
        return request.startsWith("POST ") ? request.substring(5, request.indexOf(' ', 5)) : "";
    }

    /** {@return the path of an exchange of which only the response was kept} */
    private static String guessedPath(String name, String response) {
        if (name.startsWith("chat-") || name.startsWith("inject-") || name.startsWith("return-error-")) {
            return "/v1/chat/completions";
        }
        return response.contains("\"text_completion\"") || name.endsWith("-then-request") ? "/v1/completions" : "";
    }

    private static byte[] bodyOf(byte[] message) {
        String text = new String(message, StandardCharsets.ISO_8859_1);
        int end = text.indexOf("\r\n\r\n");
        return end < 0 ? new byte[0] : text.substring(end + 4).getBytes(StandardCharsets.ISO_8859_1);
    }

    private static byte[] dechunked(byte[] raw) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        String text = new String(raw, StandardCharsets.ISO_8859_1);
        int at = 0;
        while (true) {
            int lineEnd = text.indexOf("\r\n", at);
            if (lineEnd < 0) {
                return out.toByteArray();
            }
            int length = Integer.parseInt(text.substring(at, lineEnd).trim(), 16);
            int start = lineEnd + 2;
            int end = Math.min(start + length, raw.length);
            out.write(raw, start, end - start);
            if (length == 0 || end == raw.length) {
                return out.toByteArray();
            }
            at = end + 2;
        }
    }
}
