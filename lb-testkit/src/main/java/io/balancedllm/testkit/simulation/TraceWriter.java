/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;

/** Writes traces as JSON lines. */
final class TraceWriter {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final double MILLIS_PER_SECOND = 1e3;

    private TraceWriter() {}

    static void write(List<TraceRequest> requests, Path file) throws IOException {
        try (OutputStream raw = Files.newOutputStream(file);
                OutputStream out = file.toString().endsWith(".gz") ? new GZIPOutputStream(raw) : raw;
                BufferedWriter writer = new BufferedWriter(new OutputStreamWriter(out, StandardCharsets.UTF_8))) {
            for (TraceRequest request : requests) {
                writer.write(line(request).toString());
                writer.newLine();
            }
        }
    }

    private static ObjectNode line(TraceRequest request) {
        ObjectNode line = JSON.createObjectNode();
        line.put("timestamp", request.arrivalSeconds() * MILLIS_PER_SECOND);
        line.put("input_length", request.prompt().tokens());
        line.put("output_length", request.outputTokens());
        ArrayNode ids = line.putArray("hash_ids");
        request.prompt().blocks().forEach(ids::add);
        request.options().tenant().ifPresent(tenant -> line.put("tenant", tenant));
        request.options().session().ifPresent(session -> line.put("session", session));
        if (request.thinkSeconds() > 0) {
            line.put("think", request.thinkSeconds());
        }
        return line;
    }
}
