/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static io.balancedllm.cache.semantic.Answers.ask;
import static io.balancedllm.cache.semantic.Answers.lookup;
import static io.balancedllm.cache.semantic.Answers.put;
import static io.balancedllm.cache.semantic.Answers.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.cache.CacheLookup;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.testkit.ManualScheduler;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SnapshotTest {
    private final ManualScheduler scheduler = new ManualScheduler();
    private final CallOptions alice = CallOptions.builder().tenant("alice").build();
    private Instant now = Instant.parse("2026-03-01T12:00:00Z");

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    @SuppressWarnings("NullAway.Init")
    private Path file;

    private SemanticCache cache() {
        return cache(new ScriptedEmbedder().at(0, "q").at(90, "r"));
    }

    private SemanticCache cache(io.balancedllm.cache.Embedder embedder) {
        return SemanticCache.builder(embedder)
                .executor(Runnable::run)
                .scheduler(scheduler)
                .ticker(scheduler.ticker())
                .clock(() -> now)
                .random(new Random(1))
                .build();
    }

    @BeforeEach
    void save() {
        file = folder.resolve("cache.snapshot");
        SemanticCache cache = cache();
        put(cache, "q", "of q");
        put(cache, ask("r"), alice, "of r");
        cache.save(file);
    }

    @Test
    void whatWasSavedAnswersAfterARestartWithItsAgeAndForItsTenantOnly() {
        now = now.plusSeconds(600);
        SemanticCache restarted = cache();

        assertThat(restarted.load(file)).isEqualTo(2);
        assertThat(text(lookup(restarted, "q"))).isEqualTo("of q");
        assertThat(text(lookup(restarted, ask("r"), alice))).isEqualTo("of r");
        assertThat(lookup(restarted, "r")).isInstanceOf(CacheLookup.Miss.class);
        assertThat(lookup(restarted, "q"))
                .isInstanceOfSatisfying(
                        CacheLookup.Hit.class,
                        hit -> assertThat(hit.outcome().age()).isEqualTo(Duration.ofMinutes(10)));
    }

    @Test
    void whatExpiredWhileTheFileLayIsNotReadAndAClockThatWentBackChangesNothing() {
        now = now.plus(SemanticCache.DEFAULT_TIME_TO_LIVE);
        assertThat(cache().load(file)).isZero();
        now = now.minus(Duration.ofDays(365));
        assertThat(cache().load(file)).isEqualTo(2);
    }

    @Test
    void aFileThatIsMissingCutOffOrChangedIsIgnored() throws IOException {
        byte[] whole = Files.readAllBytes(file);
        assertThat(cache().load(folder.resolve("none"))).isZero();
        for (int length = 0; length < whole.length; length += 7) {
            Files.write(file, Arrays.copyOf(whole, length));
            assertThat(cache().load(file)).isZero();
        }
        for (int i = 0; i < whole.length; i += 11) {
            byte[] changed = whole.clone();
            changed[i] ^= 1;
            Files.write(file, changed);
            assertThat(cache().load(file)).isZero();
        }
        Files.write(file, whole);
        assertThat(cache().load(file)).isEqualTo(2);
    }

    /** Files with a right checksum over anything: lengths that lie, vectors that are none, answers that are cut. */
    @Test
    void aHostileFileIsIgnored() throws Exception {
        byte[] whole = Files.readAllBytes(file);
        Random random = new Random(5);
        for (int round = 0; round < 2_000; round++) {
            byte[] hostile = Arrays.copyOf(whole, whole.length - 32 - random.nextInt(whole.length - 32));
            for (int i = 0; i < 3; i++) {
                hostile[random.nextInt(hostile.length)] = (byte) random.nextInt();
            }
            byte[] signed = Arrays.copyOf(hostile, hostile.length + 32);
            System.arraycopy(
                    java.security.MessageDigest.getInstance("SHA-256").digest(hostile), 0, signed, hostile.length, 32);
            Files.write(file, signed);
            assertThat(cache().load(file)).isBetween(0, 2);
        }
    }

    @Test
    void vectorsOfAnotherEmbedderAreIgnored() {
        assertThat(cache(Embedders.nGram()).load(file)).isZero();
    }

    @Test
    void aFailedSaveSaysSoAndLeavesTheOldFile() throws IOException {
        Files.createDirectory(folder.resolve("cache.snapshot.part"));

        assertThatThrownBy(() -> cache().save(file)).isInstanceOf(UncheckedIOException.class);
        assertThat(cache().load(file)).isEqualTo(2);
    }
}
