/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A worker in a Java virtual machine of its own, as a user starts it. */
final class WorkerProcess implements AutoCloseable {
    static final int PATIENCE_SECONDS = 60;
    private static final String READY = "listening on ";

    private final Process process;
    private final String url;

    private WorkerProcess(Process process, String url) {
        this.process = process;
        this.url = url;
    }

    /** Starts a worker on a free port and waits until it says that it is ready. */
    static WorkerProcess start() throws Exception {
        return start("--replicas", "1");
    }

    /** Starts a worker with these options besides. */
    static WorkerProcess start(String... options) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "worker",
                "--port",
                "0"));
        command.addAll(List.of(options));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try {
            String line =
                    CompletableFuture.supplyAsync(() -> firstLine(process)).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            if (!line.startsWith(READY)) {
                throw new IllegalStateException("the worker said: " + line);
            }
            return new WorkerProcess(process, line.substring(READY.length()));
        } catch (Exception e) {
            process.destroyForcibly();
            throw e;
        }
    }

    private static String firstLine(Process process) {
        try {
            BufferedReader reader = process.inputReader(StandardCharsets.UTF_8);
            return String.valueOf(reader.readLine());
        } catch (IOException e) {
            return e.toString();
        }
    }

    String url() {
        return url;
    }

    /** Ends it without warning, as a machine that fails. */
    void kill() {
        process.destroyForcibly();
    }

    /** Asks it to end. {@return its exit code} */
    int terminate() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            throw new AssertionError("the worker does not end");
        }
        return process.exitValue();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
