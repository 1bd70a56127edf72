/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.fleet;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** Reads the secret that workers and balancers share, from a file so that no list of processes shows it. */
public final class TokenFile {
    private static final int MAX_BYTES = 4_096;

    private TokenFile() {}

    /**
     * {@return the first line of the file}
     *
     * @throws ParameterException when there is none
     */
    public static String read(Path file, CommandSpec command) {
        try {
            String token = Files.size(file) > MAX_BYTES
                    ? ""
                    : Files.readString(file).lines().findFirst().orElse("").strip();
            if (token.isEmpty()) {
                throw new ParameterException(
                        command.commandLine(), "--token-file " + file + " has no token in its first line");
            }
            return token;
        } catch (IOException e) {
            throw new ParameterException(
                    command.commandLine(), "--token-file " + file + " cannot be read: " + e.getMessage(), e);
        }
    }
}
