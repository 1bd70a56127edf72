/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MainTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "                                            | name a command: story, worker, logits, train, bench, simulate",
                "tale                                        | 'tale'",
                "story --policy fastest                      | choose one of prefixAffinity",
                "story --endpoint gpu-1:8000                 | write http://host:port",
                "story --endpoint http://user:key@gpu-1:8000 | write http://host:port",
                "story --endpoint ://                        | write http://host:port",
                "story --endpoint http://a:1 --endpoint http://a:1 | name each server once",
                "story --endpoint http://a:1 --replicas 2    | leave out --model and --replicas",
                "story --replicas 0                          | --replicas must be 1 to 64",
                "story --temperature NaN                     | temperature",
                "story --temperature -1                      | temperature",
                "story --max-tokens -1                       | maxTokens",
                "story --max-tokens many                     | --max-tokens",
                "story --model /no/such/directory            | is not a directory",
                "worker                                      | --port",
                "worker --port 65536                         | --port must be 0 to 65535",
                "logits --ids 1,x                            | --ids",
                "logits --ids 1 --model /no/such/directory   | is not a directory",
                "logits --ids 999999                         | 999999",
                "bench                                       | name a benchmark: overhead",
                "bench overhead --calls 0                    | at least 1",
                "simulate                                    | --trace",
                "simulate --trace /no/such/file              | is not a file",
                "simulate --trace f --policy fastest         | choose of prefixAffinity",
                "simulate --trace f --seed 1 --seeds 2       | give one of them",
                "simulate --trace f --csv --json             | give one of --csv and --json",
                "simulate --trace f --spread 2               | --spread must be 0 or 1",
                "simulate --trace f --limit 0                | --limit must be at least 1"
            })
    void wrongUsageIsOneLineThatSaysWhatToDoAndCodeTwo(String args, String expected) {
        CommandLineFixture result = CommandLineFixture.run(
                args == null ? new String[0] : args.strip().split(" +"));

        assertThat(result.code()).isEqualTo(2);
        assertThat(result.err().lines().findFirst().orElseThrow()).contains(expected);
        assertThat(result.err()).doesNotContain("\tat ");
        assertThat(result.out()).isEmpty();
    }

    @Test
    void aDirectoryWithoutAModelIsRefusedByName(@TempDir Path directory) {
        CommandLineFixture result = CommandLineFixture.run("story", "--model", directory.toString());

        assertThat(result.code()).isEqualTo(2);
        assertThat(result.err()).contains("has no config.json").hasLineCount(1);
    }

    @Test
    void aModelThatCannotBeLoadedIsOneLineAndCodeOne(@TempDir Path directory) throws Exception {
        Files.writeString(directory.resolve("config.json"), "{");

        CommandLineFixture result = CommandLineFixture.run("logits", "--ids", "1", "--model", directory.toString());

        assertThat(result.code()).isEqualTo(1);
        assertThat(result.err()).contains("config.json").hasLineCount(1);
    }

    @Test
    void aPortInUseIsOneLineAndCodeOne() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            CommandLineFixture result =
                    CommandLineFixture.run("worker", "--port", Integer.toString(taken.getLocalPort()));

            assertThat(result.code()).isEqualTo(1);
            assertThat(result.err()).contains("choose another --port").hasLineCount(1);
            assertThat(result.out()).isEmpty();
        }
    }

    @Test
    void anEndpointThatIsNotThereIsOneLineAndCodeOne() throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }

        CommandLineFixture result = CommandLineFixture.run("story", "--json", "--endpoint", "http://127.0.0.1:" + port);

        assertThat(result.code()).isEqualTo(1);
        assertThat(result.err()).contains("unavailable").hasLineCount(1);
        assertThat(result.out()).isEmpty();
    }

    @Test
    void helpNamesTheCommandsAndEndsWithCodeZero() {
        CommandLineFixture result = CommandLineFixture.run("--help");

        assertThat(result.code()).isZero();
        assertThat(result.out()).contains("story", "worker", "logits", "bench");
    }
}
