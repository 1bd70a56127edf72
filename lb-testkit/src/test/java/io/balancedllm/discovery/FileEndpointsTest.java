/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.testkit.ManualScheduler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileEndpointsTest {
    private static final Duration EVERY = Duration.ofSeconds(2);
    private static final String ONE = "{\"endpoints\": [{\"url\": \"http://gpu-1:8000\"}]}";

    private final ManualScheduler timers = new ManualScheduler();
    private final Watched watched = new Watched();

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    @SuppressWarnings("NullAway.Init")
    private Path file;

    @BeforeEach
    void name() {
        file = directory.resolve("endpoints.json");
    }

    private void write(String text) throws IOException {
        Path fresh = directory.resolve("fresh");
        Files.writeString(fresh, text);
        Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private EndpointSource start() {
        EndpointSource source = EndpointSource.file(file, EVERY, timers);
        source.start(watched);
        return source;
    }

    @Test
    void everyFieldIsRead() throws IOException {
        write("""
                {"endpoints": [
                  {"url": "http://gpu-1:8000"},
                  {"id": "big", "url": "https://gpu-2/base", "weight": 2.5, "max_concurrency": 64, "generation": "blue",
                   "models": {"chat": "llama"}, "labels": {"zone": "a"}},
                  {"id": "list", "url": "http://[::1]:1", "models": ["a", "b"]}
                ]}""");
        start();
        assertThat(watched.ids()).containsExactly("gpu-1:8000", "big", "list");
        EndpointSpec big = watched.last().get(1);
        assertThat(big.weight()).isEqualTo(2.5);
        assertThat(big.maxConcurrency()).isEqualTo(64);
        assertThat(big.generation()).isEqualTo("blue");
        assertThat(big.models()).containsEntry("chat", "llama");
        assertThat(big.labels()).containsEntry("zone", "a");
        assertThat(watched.last().get(2).models()).containsOnlyKeys("a", "b");
    }

    @Test
    void aChangeIsToldOnceAndAFileThatStaysIsNotToldAgain() throws IOException {
        write(ONE);
        start();
        timers.advance(EVERY.multipliedBy(10));
        assertThat(watched.sets).hasSize(1);
        write("{\"endpoints\": []}");
        timers.advance(EVERY.multipliedBy(10));
        assertThat(watched.sets).hasSize(2);
        assertThat(watched.last()).as("an empty list is a statement").isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{\"endpoints\": [{\"url\": \"http://gpu-1:80",
                "[]",
                "{}",
                "{\"endpoints\": {}}",
                "{\"endpoints\": [7]}",
                "{\"endpoints\": [{\"id\": \"a\"}]}",
                "{\"endpoints\": [{\"url\": \"ftp://x\"}]}",
                "{\"endpoints\": [{\"url\": \"http://user:key@x\"}]}",
                "{\"endpoints\": [{\"url\": \"http://x\", \"weight\": 0}]}",
                "{\"endpoints\": [{\"url\": \"http://x\", \"wieght\": 2}]}",
                "{\"endpoints\": [{\"url\": \"http://x\", \"max_concurrency\": 1e99}]}",
                "{\"endpoints\": [{\"url\": \"http://x\"}, {\"url\": \"http://x\"}]}",
                "{\"endpoints\": [{\"url\": \"http://x\", \"url\": \"http://y\"}]}",
                "{\"endpoints\": []} trailing"
            })
    void aBrokenFileChangesNothing(String broken) throws IOException {
        write(ONE);
        start();
        write(broken);
        timers.advance(EVERY.multipliedBy(3));
        assertThat(watched.sets).hasSize(1);
        write(ONE.replace("gpu-1", "gpu-9"));
        timers.advance(EVERY);
        assertThat(watched.ids()).containsExactly("gpu-9:8000");
    }

    @Test
    void aFileThatIsGoneChangesNothingAndOneThatComesLateIsRead() throws IOException {
        start();
        assertThat(watched.sets).isEmpty();
        timers.advance(EVERY);
        write(ONE);
        timers.advance(EVERY);
        assertThat(watched.ids()).containsExactly("gpu-1:8000");
        Files.delete(file);
        timers.advance(EVERY.multipliedBy(5));
        assertThat(watched.sets).hasSize(1);
    }

    @Test
    void aFileOfFiveMegabytesIsRefused() throws IOException {
        write(ONE);
        start();
        write(" ".repeat(5 << 20) + ONE.replace("gpu-1", "gpu-2"));
        timers.advance(EVERY);
        assertThat(watched.ids()).containsExactly("gpu-1:8000");
    }

    @Test
    void aClosedSourceSaysNoMore() throws IOException {
        write(ONE);
        EndpointSource source = start();
        source.close();
        write("{\"endpoints\": []}");
        timers.advance(EVERY.multipliedBy(5));
        assertThat(watched.sets).hasSize(1);
        assertThat(timers.pending()).isEmpty();
    }
}
