/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.openai.OpenAiBackend;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Workers in processes of their own, and stories that find them. */
@Timeout(180)
class DiscoveryTest {
    private static final String[] QUICK = {"--engine", "simulated", "--decode-us", "1000", "--kv-blocks", "100"};

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private static String[] quick(String... more) {
        String[] all = java.util.Arrays.copyOf(QUICK, QUICK.length + more.length);
        System.arraycopy(more, 0, all, QUICK.length, more.length);
        return all;
    }

    private static String story(String... options) {
        StringWriter out = new StringWriter();
        String[] all = java.util.Arrays.copyOf(options, options.length + 4);
        System.arraycopy(new String[] {"--max-tokens", "5", "Count", "--temperature=0"}, 0, all, options.length, 4);
        String[] command = new String[all.length + 1];
        command[0] = "story";
        System.arraycopy(all, 0, command, 1, all.length);
        int code = Main.run(
                new PrintWriter(out, true), new PrintWriter(System.err, true, StandardCharsets.UTF_8), command);
        assertThat(code).as(out.toString()).isZero();
        return out.toString();
    }

    @Test
    void aStoryIsToldByAWorkerThatHasRegistered() throws Exception {
        int port;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        Path token = Files.writeString(directory.resolve("token"), "secret\n");
        String registrar = "http://127.0.0.1:" + port;
        try (WorkerProcess worker =
                WorkerProcess.start(quick("--register", registrar, "--token-file", token.toString()))) {
            String told = story("--registrar", "" + port, "--token-file", token.toString());
            assertThat(told)
                    .contains("1 2 3 4 5")
                    .contains("served by " + worker.url().substring("http://".length()));
        }
    }

    @Test
    void aStoryIsToldByAWorkerThatAFileNames() throws Exception {
        try (WorkerProcess worker = WorkerProcess.start(QUICK)) {
            Path file = Files.writeString(
                    directory.resolve("endpoints.json"), "{\"endpoints\": [{\"url\": \"" + worker.url() + "\"}]}");
            assertThat(story("--watch-file", file.toString())).contains("1 2 3 4 5");
        }
    }

    @Test
    void aSimulatedEngineSpeaksTheNamesOfVllm() throws Exception {
        try (WorkerProcess worker = WorkerProcess.start(QUICK);
                OpenAiBackend backend = OpenAiBackend.at(worker.url())) {
            EngineReport report = backend.report(Duration.ofSeconds(30))
                    .toCompletableFuture()
                    .get(60, TimeUnit.SECONDS)
                    .orElseThrow();
            assertThat(report.requests()).hasValue(0);
            assertThat(report.kvCapacityTokens()).hasValue(1_600);
            assertThat(report.kvUsage()).hasValue(0);
        }
    }
}
