/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** A process in a network namespace of its own has no network, not even loopback. */
class OfflineTest {
    private static final List<String> NO_NETWORK = List.of("unshare", "--user", "--map-root-user", "--net");
    private static final int PATIENCE_SECONDS = 120;

    @Test
    void aStoryNeedsNoNetwork() throws Exception {
        assumeTrue(canUnshare(), "skipped: this machine makes no network namespaces (unshare)");
        List<String> command = new ArrayList<>(NO_NETWORK);
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "story",
                "--max-tokens",
                "8"));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();

        String story = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
        assertThat(story).contains("served by local-");
    }

    private static boolean canUnshare() throws InterruptedException {
        List<String> command = new ArrayList<>(NO_NETWORK);
        command.add("true");
        try {
            return new ProcessBuilder(command).start().waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }
}
