/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.EngineReport;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What real engines said of their load, fed to a real socket as it was received. */
@Timeout(60)
class LoadRecordingsTest {
    private static final Path SGLANG =
            Path.of(System.getProperty("reference.data", "../../shared"), "fixtures", "sglang-0.5.23-handwritten");
    private static final String NOT_FOUND = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    /** Asks a server that has one page, under one path. */
    private static Optional<EngineReport> ask(String path, byte[] response) throws Exception {
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
                    boolean here = request.head().startsWith("GET /" + path);
                    socket.getOutputStream().write(here ? response : NOT_FOUND.getBytes(StandardCharsets.US_ASCII));
                    socket.getOutputStream().flush();
                    socket.shutdownOutput();
                });
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            return backend.report(Duration.ofSeconds(20)).toCompletableFuture().get(30, TimeUnit.SECONDS);
        }
    }

    private static EngineReport recorded(String path, String name) throws Exception {
        return ask(path, Recordings.named(name).response()).orElseThrow();
    }

    private static byte[] page(String name) throws Exception {
        Path file = SGLANG.resolve(name);
        Assumptions.assumeTrue(Files.isRegularFile(file), "no page at " + file.toAbsolutePath());
        byte[] body = Files.readAllBytes(file);
        String head = "HTTP/1.1 200 OK\r\nContent-Length: " + body.length + "\r\nConnection: close\r\n\r\n";
        return (head + new String(body, StandardCharsets.ISO_8859_1)).getBytes(StandardCharsets.ISO_8859_1);
    }

    @Test
    void vllmUnderLoadTellsWhoRunsWhoWaitsAndItsMemory() throws Exception {
        EngineReport report = recorded("metrics", "vllm-0.32.0/metrics-busy");
        assertThat(report.running()).hasValue(8);
        assertThat(report.waiting()).hasValue(16);
        assertThat(report.kvUsage()).hasValue(0.1070234113712375);
        assertThat(report.blockTokens()).hasValue(32);
        assertThat(report.kvBlocks()).hasValue(300);
        assertThat(report.kvCapacityTokens()).hasValue(9_600);
    }

    @Test
    void llamaCppUnderLoadTellsTheSlotsItUsesAndWhomItDefers() throws Exception {
        EngineReport report = recorded("metrics", "llamacpp-b11434/metrics-busy");
        assertThat(report.running()).hasValue(2);
        assertThat(report.waiting()).hasValue(22);
        assertThat(report.kvUsage()).isEmpty();
        assertThat(recorded("slots", "llamacpp-b11434/slots-busy"))
                .hasToString("EngineReport{running 2, maxSequences 2}");
        assertThat(recorded("slots", "llamacpp-b11434/get-slots"))
                .hasToString("EngineReport{running 0, maxSequences 4}");
    }

    @Test
    void theEmulatorOfVllmSpeaksItsNames() throws Exception {
        EngineReport report = recorded("metrics", "llm-d-inference-sim-2026-08-20/metrics-busy");
        assertThat(report.requests()).isPresent();
        assertThat(report.kvCapacityTokens()).hasValue(4_096);
    }

    @Test
    void aFrontendThatTellsNothingOfItsEnginesTellsNothing() throws Exception {
        assertThat(ask("metrics", Recordings.named("dynamo-1.6.1/metrics-idle").response()))
                .isEmpty();
    }

    @Test
    void sglangTellsItsLoadInMetricsAndWhereTheseAreOffInItsLoads() throws Exception {
        EngineReport metrics = ask("metrics", page("metrics.txt")).orElseThrow();
        assertThat(metrics.requests()).hasValue(10);
        assertThat(metrics.kvCapacityTokens()).hasValue(436_000);
        EngineReport loads = ask("v1/loads", page("loads.json")).orElseThrow();
        assertThat(loads.requests()).hasValue(10);
        assertThat(loads.maxSequences()).hasValue(256);
        assertThat(loads.waitingPromptTokens()).hasValue(5_120);
        EngineReport ranks = ask("metrics", page("loads.prom")).orElseThrow();
        assertThat(ranks.running()).hasValue(12);
        assertThat(ranks.waiting()).hasValue(3);
    }

    @Test
    void everyRecordedPageOfMetricsIsReadWithoutFailure() throws Exception {
        int read = 0;
        for (Recordings.Recording recording : Recordings.all()) {
            if (recording.name().contains("/metrics-") || recording.name().endsWith("-metrics")) {
                Optional<EngineReport> report = ask("metrics", recording.response());
                boolean tells = !recording.name().startsWith("dynamo") && recording.status() == 200;
                assertThat(report.isPresent()).as(recording.name()).isEqualTo(tells);
                read++;
            }
        }
        assertThat(read).isGreaterThan(5);
    }

    @Test
    void anAnswerBringsItsOrcaReportAlong() throws Exception {
        for (String name : new String[] {"hdr-orca-text", "hdr-orca-json", "orca-busy"}) {
            try (ScriptedServer server = ScriptedServer.always(
                            Recordings.named("vllm-0.32.0/" + name).response());
                    OpenAiBackend backend = OpenAiBackend.at(server.url())) {
                RecordingSink sink = new RecordingSink();
                backend.start(Attempt.of(CompletionRequest.of("Once")), sink).request(Integer.MAX_VALUE);
                sink.awaitEnd();
                assertThat(sink.reports).as(name).singleElement().satisfies(report -> {
                    assertThat(report.waiting()).hasValue(0);
                    assertThat(report.kvUsage()).hasValue(0);
                });
                assertThat(server.requests.get(0).head().toLowerCase(java.util.Locale.ROOT))
                        .contains("endpoint-load-metrics-format: json");
            }
        }
    }

    @Test
    void aServerThatTellsNothingIsNotAskedAgainAtOnce() throws Exception {
        try (ScriptedServer server = ScriptedServer.always(NOT_FOUND);
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            for (int i = 0; i <= LoadQuestion.PAUSE; i++) {
                assertThat(backend.report(Duration.ofSeconds(20))
                                .toCompletableFuture()
                                .get(30, TimeUnit.SECONDS))
                        .isEmpty();
            }
            assertThat(server.requests).as("one look at each place").hasSize(3);
        }
    }

    @Test
    void aPageWithoutEndIsGivenUpAtItsLimit() throws Exception {
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
                    socket.getOutputStream().write("HTTP/1.1 200 OK\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                    byte[] line = "vllm:num_requests_running 1\n".repeat(1_000).getBytes(StandardCharsets.US_ASCII);
                    while (!socket.isClosed()) {
                        socket.getOutputStream().write(line);
                    }
                });
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            assertThat(backend.report(Duration.ofSeconds(20))
                            .toCompletableFuture()
                            .get(30, TimeUnit.SECONDS))
                    .isEmpty();
        }
    }

    @Test
    void aServerThatDoesNotAnswerIsGivenUpInTime() throws Exception {
        try (ScriptedServer server =
                        new ScriptedServer((request, socket) -> ScriptedServer.drain(socket.getInputStream()));
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            assertThat(backend.report(Duration.ofMillis(100))
                            .toCompletableFuture()
                            .get(30, TimeUnit.SECONDS))
                    .isEmpty();
        }
    }
}
