/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.CompletionRequest;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TraceTest {
    private static final String TWO = """
            {"timestamp": 3000, "input_length": 1200, "output_length": 5, "hash_ids": [0, 1, 2]}
            {"timestamp":4500,"input_length":1024,"output_length":0,"hash_ids":[0,9],"session":7,"tenant":3}
            """;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    private Trace read(String content) throws IOException {
        return read(content, 100, Trace.BrokenLines.STOP);
    }

    private Trace read(String content, int limit, Trace.BrokenLines broken) throws IOException {
        Path file = folder.resolve("trace");
        Files.writeString(file, content);
        return Trace.read(file, limit, broken);
    }

    @Test
    void jsonLinesAreReadWithTheirFullBlocks() throws IOException {
        List<TraceRequest> requests = read(TWO).requests();
        assertThat(requests).hasSize(2);
        assertThat(requests.get(0)).isEqualTo(new TraceRequest(0, new SimulatedPrompt(1_200, List.of(0L, 1L)), 5));
        assertThat(requests.get(1).arrivalSeconds()).isEqualTo(1.5);
        assertThat(requests.get(1).prompt()).isEqualTo(new SimulatedPrompt(1_024, List.of(0L, 9L)));
        assertThat(requests.get(1).outputTokens()).isEqualTo(1);
        assertThat(requests.get(1).options().tenant()).contains("3");
        assertThat(requests.get(1).options().session()).contains("7");
    }

    @Test
    void azureCsvIsReadWithoutPrefixes() throws IOException {
        Trace trace = read("""
                TIMESTAMP,ContextTokens,GeneratedTokens
                2023-11-16 23:59:59.9799600,4808,10
                2023-11-17 00:00:00.0799600,3180,8
                """);
        assertThat(trace.requests())
                .containsExactly(
                        new TraceRequest(0, new SimulatedPrompt(4_808, List.of()), 10),
                        new TraceRequest(0.1, new SimulatedPrompt(3_180, List.of()), 8));
        assertThat(trace.recordedRate()).isEqualTo(10);
    }

    @Test
    void gzipIsUnpackedWhateverTheFileIsCalled() throws IOException {
        Path file = folder.resolve("packed");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            out.write(TWO.getBytes(StandardCharsets.UTF_8));
        }
        assertThat(Trace.read(file, 100, Trace.BrokenLines.STOP).requests()).hasSize(2);
    }

    @Test
    void nothingAfterTheLimitIsLookedAt() throws IOException {
        assertThat(read(TWO + "broken", 2, Trace.BrokenLines.STOP).requests()).hasSize(2);
        assertThat(read(TWO, 1, Trace.BrokenLines.STOP).requests()).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"timestamp\": 1                                               | it is no JSON",
                "[1]                                                             | it is no JSON object",
                "{\"input_length\": 5, \"output_length\": 5}                     | timestamp is no number",
                "{\"timestamp\": 9e9, \"input_length\": 1.5, \"output_length\": 5} | input_length is no integer: 1.5",
                "{\"timestamp\": 9e9, \"input_length\": 0, \"output_length\": 5} | tokens must be at least 1, got 0",
                "{\"timestamp\": 9e9, \"input_length\": 5}                       | output_length is no integer",
                "{\"timestamp\": 9e9, \"input_length\": 5, \"output_length\": 5, \"hash_ids\": 1} | hash_ids is no array",
                "{\"timestamp\": 9e9, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [\"a\"]} | hash_ids holds \"a\"",
                "{\"timestamp\": 9e9, \"input_length\": 5, \"output_length\": 5, \"hash_ids\": [1,2]} | cannot fill them",
                "{\"timestamp\": 4, \"input_length\": 5, \"output_length\": 5}   | it is earlier than the line before it",
            })
    void aBrokenLineIsReportedWithItsNumberAndReason(String line, String reason) throws IOException {
        assertThatThrownBy(() -> read(TWO + line + "\n"))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith("line 3: ")
                .hasMessageContaining(reason);
        List<String> skipped = new ArrayList<>();
        Trace trace = read(TWO + "\n" + line + "\n" + "x", 100, (number, why) -> skipped.add(number + " " + why));
        assertThat(trace.requests()).hasSize(2);
        assertThat(skipped).hasSize(2);
        assertThat(skipped.get(0)).startsWith("4 ").contains(reason);
        assertThat(skipped.get(1)).startsWith("5 ");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "2023-11-16 18:17:03,1 | it has 2 columns",
                "yesterday,1,1 | TIMESTAMP",
                "2023-11-16 18:17:03,a,1 | no integers: a and 1",
                "2023-11-16 18:17:03,-5,1 | tokens must be at least 1"
            })
    void aBrokenLineOfCsvIsReportedToo(String line, String reason) {
        assertThatThrownBy(() -> read("TIMESTAMP,ContextTokens,GeneratedTokens\n" + line))
                .hasMessageStartingWith("line 2: ")
                .hasMessageContaining(reason);
    }

    @Test
    void aFileWithoutARequestIsNoTrace() {
        assertThatThrownBy(() -> read("")).isInstanceOf(IOException.class).hasMessageContaining("no request");
    }

    @Test
    void whatAnInfiniteCacheWouldHoldIsKnown() {
        Trace trace = Trace.of(List.of(
                new TraceRequest(0, new SimulatedPrompt(1_100, List.of(1L, 2L)), 1),
                new TraceRequest(1, new SimulatedPrompt(1_100, List.of(1L, 3L)), 1),
                new TraceRequest(2, new SimulatedPrompt(1_024, List.of(1L, 3L)), 1)));
        assertThat(trace.reusableTokens(0)).isZero();
        assertThat(trace.reusableTokens(1)).isEqualTo(512);
        assertThat(trace.reusableTokens(2)).isEqualTo(512); // its last token has to be computed
    }

    @Test
    void aPromptTravelsInTheExtraFieldsOfARequest() {
        SimulatedPrompt prompt = new SimulatedPrompt(1_100, List.of(4L, -7L));
        CompletionRequest request =
                CompletionRequest.builder().prompt("").extra(prompt.extra()).build();
        assertThat(SimulatedPrompt.of(request)).contains(prompt);
    }

    @Test
    void requestsMustBeInOrder() {
        SimulatedPrompt prompt = new SimulatedPrompt(1, List.of());
        assertThatThrownBy(() -> Trace.of(List.of(new TraceRequest(1, prompt, 1), new TraceRequest(0, prompt, 1))))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
