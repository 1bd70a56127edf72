/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.fleet;

import ai.djl.util.Utils;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Says what takes so long when PyTorch is used for the first time on a machine. */
public final class NativeLibraries {
    /** Smaller weights are computed in plain Java, which unpacks nothing. */
    private static final long PLAIN_JAVA_BYTES = 16_000_000;

    private NativeLibraries() {}

    /** Prints one line when loading this model unpacks PyTorch first. */
    public static void announceUnpacking(Path model, PrintWriter err) {
        Path cache = Utils.getEngineCacheDir("pytorch");
        if (isEmpty(cache) && bytes(model) > PLAIN_JAVA_BYTES) {
            err.println("First use of PyTorch here: unpacking about 430 MB to " + cache + " ...");
        }
    }

    private static boolean isEmpty(Path directory) {
        if (!Files.isDirectory(directory)) {
            return true;
        }
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.findAny().isEmpty();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + directory, e);
        }
    }

    private static long bytes(Path directory) {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.filter(file -> file.toString().endsWith(".safetensors"))
                    .mapToLong(file -> file.toFile().length())
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + directory, e);
        }
    }
}
