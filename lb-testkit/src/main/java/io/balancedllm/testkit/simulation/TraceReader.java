/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.balancedllm.completion.CallOptions;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/** Reads one trace file. Not thread-safe. */
final class TraceReader {
    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final String CSV_HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";
    private static final int BUFFER_BYTES = 1 << 16;
    private static final int GZIP_MAGIC = 0x1f8b;
    private static final double NANOS_PER_SECOND = 1e9;
    private static final double MILLIS_PER_SECOND = 1e3;

    private final int limit;
    private final Trace.BrokenLines broken;
    private final List<TraceRequest> requests = new ArrayList<>();
    private @Nullable Double firstMillis;
    private @Nullable LocalDateTime firstTime;

    TraceReader(int limit, Trace.BrokenLines broken) {
        if (limit < 1) {
            throw new IllegalArgumentException("limit must be at least 1, got " + limit);
        }
        this.limit = limit;
        this.broken = broken;
    }

    /** A line that cannot be read. */
    private static final class Broken extends Exception {
        private static final long serialVersionUID = 1L;

        Broken(String reason) {
            super(reason);
        }
    }

    List<TraceRequest> read(Path file) throws IOException {
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(open(file), StandardCharsets.UTF_8))) {
            String line = reader.readLine();
            boolean csv = CSV_HEADER.equals(line == null ? null : line.strip());
            if (csv) {
                line = reader.readLine();
            }
            for (long number = csv ? 2 : 1; line != null && requests.size() < limit; number++) {
                if (!line.isBlank()) {
                    add(line, number, csv);
                }
                line = reader.readLine();
            }
        }
        if (requests.isEmpty()) {
            throw new IOException("there is no request in it");
        }
        return requests;
    }

    private void add(String line, long number, boolean csv) throws IOException {
        String reason;
        try {
            requests.add(csv ? azure(line) : mooncake(line));
            return;
        } catch (Broken e) {
            reason = String.valueOf(e.getMessage());
        } catch (IllegalArgumentException e) {
            reason = String.valueOf(e.getMessage()); // of a value that a request refuses
        }
        broken.found(number, reason);
    }

    /** The file unpacked, if it is packed. */
    private static InputStream open(Path file) throws IOException {
        InputStream in = new BufferedInputStream(Files.newInputStream(file), BUFFER_BYTES);
        try {
            in.mark(2);
            int magic = in.read() << Byte.SIZE | in.read();
            in.reset();
            return magic == GZIP_MAGIC ? new GZIPInputStream(in, BUFFER_BYTES) : in;
        } catch (IOException e) {
            in.close();
            throw e;
        }
    }

    private TraceRequest mooncake(String line) throws Broken {
        JsonNode json = parse(line);
        JsonNode timestamp = json.path("timestamp");
        if (!timestamp.isNumber()) {
            throw new Broken("timestamp is no number: " + timestamp);
        }
        double millis = timestamp.asDouble();
        int tokens = integer(json, "input_length");
        SimulatedPrompt prompt = new SimulatedPrompt(tokens, blocks(json, tokens));
        int output = Math.max(1, integer(json, "output_length"));
        double first = firstMillis == null ? millis : firstMillis;
        double seconds = inOrder((millis - first) / MILLIS_PER_SECOND);
        TraceRequest request = new TraceRequest(seconds, prompt, output, options(json), think(json));
        firstMillis = first;
        return request;
    }

    private double inOrder(double seconds) throws Broken {
        if (!requests.isEmpty() && seconds < requests.get(requests.size() - 1).arrivalSeconds()) {
            throw new Broken("it is earlier than the line before it");
        }
        return seconds;
    }

    private static JsonNode parse(String line) throws Broken {
        try {
            JsonNode json = JSON.readTree(line);
            if (json.isObject()) {
                return json;
            }
            throw new Broken("it is no JSON object");
        } catch (JsonProcessingException e) {
            throw new Broken("it is no JSON: " + e.getOriginalMessage());
        }
    }

    private static int integer(JsonNode json, String field) throws Broken {
        JsonNode value = json.path(field);
        if (!value.isIntegralNumber() || !value.canConvertToInt()) {
            throw new Broken(field + " is no integer: " + value);
        }
        return value.intValue();
    }

    private static List<Long> blocks(JsonNode json, int tokens) throws Broken {
        JsonNode ids = json.path("hash_ids");
        if (!ids.isMissingNode() && !ids.isArray()) {
            throw new Broken("hash_ids is no array: " + ids);
        }
        int full = Math.max(0, tokens / SimulatedPrompt.BLOCK_TOKENS);
        if (ids.size() > full + 1) {
            throw new Broken("hash_ids has " + ids.size() + " blocks, " + tokens + " tokens cannot fill them");
        }
        List<Long> blocks = new ArrayList<>();
        for (JsonNode id : ids) {
            if (!id.isIntegralNumber() || !id.canConvertToLong()) {
                throw new Broken("hash_ids holds " + id);
            }
            if (blocks.size() < full) {
                blocks.add(id.longValue());
            }
        }
        return blocks;
    }

    private static double think(JsonNode json) throws Broken {
        JsonNode think = json.path("think");
        if (!think.isMissingNode() && !think.isNumber()) {
            throw new Broken("think is no number: " + think);
        }
        return think.asDouble(0);
    }

    private static CallOptions options(JsonNode json) {
        JsonNode tenant = json.path("tenant");
        JsonNode session = json.path("session");
        if (tenant.isMissingNode() && session.isMissingNode()) {
            return CallOptions.DEFAULT;
        }
        CallOptions.Builder options = CallOptions.builder();
        if (!tenant.isMissingNode()) {
            options.tenant(tenant.asText());
        }
        if (!session.isMissingNode()) {
            options.session(session.asText());
        }
        return options.build();
    }

    private TraceRequest azure(String line) throws Broken {
        String[] cells = line.split(",", -1);
        if (cells.length != 3) {
            throw new Broken("it has " + cells.length + " columns, not 3");
        }
        LocalDateTime time;
        int tokens;
        int output;
        try {
            time = LocalDateTime.parse(cells[0].strip().replace(' ', 'T'));
            tokens = Integer.parseInt(cells[1].strip());
            output = Integer.parseInt(cells[2].strip());
        } catch (DateTimeException e) {
            throw new Broken("TIMESTAMP is no date and time: " + cells[0]);
        } catch (NumberFormatException e) {
            throw new Broken("ContextTokens and GeneratedTokens are no integers: " + cells[1] + " and " + cells[2]);
        }
        SimulatedPrompt prompt = new SimulatedPrompt(tokens, List.of());
        if (firstTime == null) {
            firstTime = time;
        }
        double seconds = inOrder(Duration.between(firstTime, time).toNanos() / NANOS_PER_SECOND);
        return new TraceRequest(seconds, prompt, Math.max(1, output));
    }
}
