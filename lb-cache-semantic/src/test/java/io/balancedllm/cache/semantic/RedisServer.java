/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.time.Ticker;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** A Redis or Valkey server as a process of its own, on a free port of loopback and without persistence. */
final class RedisServer implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int FIRST_PORT = 20_000;
    private static final int PORTS = 10_000;
    private static final AtomicInteger STARTED = new AtomicInteger();
    private static final int TRY_MILLIS = 20;
    private static final long LOOK_NANOS = 500_000;

    private final Path folder;
    private final List<String> options;
    private final int port;
    private Process process;

    private RedisServer(Path folder, List<String> options) throws IOException {
        this.folder = folder;
        this.options = options;
        this.port = freePort();
        this.process = launch();
    }

    /** Starts a server; without one on this machine the test is skipped. */
    static RedisServer start(Path folder, String... options) throws IOException {
        Assumptions.assumeTrue(
                program().isPresent(), "neither redis-server nor valkey-server is on the path: not tested");
        return new RedisServer(folder, List.of(options));
    }

    private static Optional<Path> program() {
        return Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator))
                .flatMap(folder -> Stream.of(Path.of(folder, "redis-server"), Path.of(folder, "valkey-server")))
                .filter(Files::isExecutable)
                .findFirst();
    }

    /** Below those the system hands out by itself, so that nobody takes it while the server is down. */
    private static int freePort() throws IOException {
        Random random = new Random(ProcessHandle.current().pid() + STARTED.incrementAndGet());
        while (true) {
            int port = FIRST_PORT + random.nextInt(PORTS);
            try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return socket.getLocalPort();
            } catch (BindException taken) {
                // then another one
            }
        }
    }

    private Process launch() throws IOException {
        List<String> command = new ArrayList<>(List.of(
                program().orElseThrow().toString(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                folder.toString()));
        if (!options.contains("--tls-port")) {
            command.addAll(List.of("--port", Integer.toString(port)));
        }
        options.forEach(option -> command.add(option.replace("PORT", Integer.toString(port))));
        Process started = new ProcessBuilder(command)
                .redirectOutput(folder.resolve("redis.log").toFile())
                .redirectErrorStream(true)
                .start();
        await(() -> {
            if (!started.isAlive()) {
                throw new AssertionError("the server ended: " + log());
            }
            return listens();
        });
        return started;
    }

    private String log() {
        try {
            return Files.readString(folder.resolve("redis.log"));
        } catch (IOException e) {
            return e.toString();
        }
    }

    private boolean listens() {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), TRY_MILLIS);
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /** Waits until something is so, looking again and again; fails when it takes too long. */
    static void await(BooleanSupplier condition) {
        Ticker ticker = Ticker.system();
        long began = ticker.nanos();
        while (!condition.getAsBoolean()) {
            if (ticker.nanos() - began > PATIENCE.toNanos()) {
                throw new AssertionError("waited in vain for " + PATIENCE);
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    String uri() {
        return (options.contains("--tls-port") ? "rediss" : "redis") + "://127.0.0.1:" + port;
    }

    /** Says something to the server as a client would, in plain words. {@return the first line of its answer} */
    String say(String... words) {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            StringBuilder command = new StringBuilder("*" + words.length + "\r\n");
            for (String word : words) {
                command.append('$')
                        .append(word.length())
                        .append("\r\n")
                        .append(word)
                        .append("\r\n");
            }
            socket.getOutputStream().write(command.toString().getBytes(StandardCharsets.ISO_8859_1));
            String line = new BufferedReader(
                            new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1))
                    .readLine();
            return String.valueOf(line);
        } catch (IOException e) {
            throw new AssertionError("the server does not answer", e);
        }
    }

    /** Ends it without warning; what it knew is lost. */
    void kill() {
        signal("-KILL");
        try {
            process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Starts it again on the same port. */
    void restart() throws IOException {
        process = launch();
    }

    /** Connections stay, and nothing is answered any more. */
    void freeze() {
        signal("-STOP");
    }

    void thaw() {
        signal("-CONT");
    }

    private void signal(String signal) {
        try {
            int code = new ProcessBuilder("kill", signal, Long.toString(process.pid()))
                    .start()
                    .waitFor();
            if (code != 0) {
                throw new AssertionError("kill " + signal + " ended with " + code);
            }
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
        try {
            process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
