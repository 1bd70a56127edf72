/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.console.Failure;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A Redis or Valkey server on a free port of loopback, without persistence. */
final class RedisProcess implements AutoCloseable {
    private static final int START_TRIES = 200;
    private static final int TRY_MILLIS = 20;

    private final Process process;
    private final int port;

    private RedisProcess(Process process, int port) {
        this.process = process;
        this.port = port;
    }

    /** {@return a server, where one is installed} */
    static Optional<RedisProcess> start() {
        return Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator))
                .flatMap(folder -> Stream.of(Path.of(folder, "redis-server"), Path.of(folder, "valkey-server")))
                .filter(Files::isExecutable)
                .findFirst()
                .map(RedisProcess::start);
    }

    private static RedisProcess start(Path program) {
        try {
            int port;
            try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
                port = socket.getLocalPort();
            }
            Process process = new ProcessBuilder(
                            program.toString(),
                            "--bind",
                            "127.0.0.1",
                            "--port",
                            Integer.toString(port),
                            "--save",
                            "",
                            "--appendonly",
                            "no")
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .redirectErrorStream(true)
                    .start();
            RedisProcess server = new RedisProcess(process, port);
            server.awaitListening();
            return server;
        } catch (IOException e) {
            throw new Failure(program + " did not start: " + e.getMessage(), e);
        }
    }

    private void awaitListening() throws IOException {
        for (int i = 0; i < START_TRIES; i++) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), TRY_MILLIS);
                return;
            } catch (IOException e) {
                try {
                    if (process.waitFor(TRY_MILLIS, TimeUnit.MILLISECONDS)) {
                        throw new IOException("it ended with " + process.exitValue(), e);
                    }
                } catch (InterruptedException interrupt) {
                    Thread.currentThread().interrupt();
                    throw new Failure("interrupted", interrupt);
                }
            }
        }
        throw new IOException("it does not listen");
    }

    String uri() {
        return "redis://127.0.0.1:" + port;
    }

    @Override
    public void close() throws IOException {
        process.destroyForcibly();
    }
}
