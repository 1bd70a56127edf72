/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import io.balancedllm.examples.Main;
import io.balancedllm.examples.console.Failure;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A worker process, told how to behave and asked what it got. It keeps its port when it is started again. */
final class FaultyWorker implements AutoCloseable {
    private static final int PATIENCE_SECONDS = 60;

    private final int port;
    /** The numbers of the requests that came; guarded by itself. */
    private final List<Integer> requests = new ArrayList<>();

    private final BlockingQueue<String> said = new LinkedBlockingQueue<>();
    private Process process;
    private PrintWriter orders;
    private volatile boolean frozen;

    FaultyWorker() {
        port = freePort();
        process = launch();
        orders = new PrintWriter(process.outputWriter(StandardCharsets.UTF_8), true);
        awaitReady();
    }

    private static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new Failure("no port is free on loopback: " + e.getMessage(), e);
        }
    }

    private Process launch() {
        try {
            Process started = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-Xmx64m",
                            "-XX:TieredStopAtLevel=1",
                            "-XX:+UseSerialGC",
                            "-cp",
                            System.getProperty("java.class.path"),
                            Main.class.getName(),
                            "fault-worker",
                            "--port",
                            Integer.toString(port))
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            Thread reader = new Thread(() -> read(started), "fault-worker-" + port);
            reader.setDaemon(true);
            reader.start();
            return started;
        } catch (IOException e) {
            throw new Failure("a worker could not be started: " + e.getMessage(), e);
        }
    }

    private void read(Process from) {
        try (BufferedReader reader = from.inputReader(StandardCharsets.UTF_8)) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                if (line.startsWith(FaultWorkerCommand.REQUEST)) {
                    synchronized (requests) {
                        requests.add(Integer.valueOf(line.substring(FaultWorkerCommand.REQUEST.length())));
                    }
                } else {
                    said.add(line);
                }
            }
        } catch (IOException e) {
            said.add("ended: " + e.getMessage());
        }
    }

    private void awaitReady() {
        try {
            String word = said.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
            if (!FaultWorkerCommand.READY.equals(word)) {
                throw new Failure("a worker of the bench said \"" + word + "\" instead of being ready", null);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure("interrupted", e);
        }
    }

    String url() {
        return "http://127.0.0.1:" + port;
    }

    int port() {
        return port;
    }

    void become(Behaviour behaviour) {
        orders.println(behaviour);
        awaitReady();
    }

    void freeze() {
        frozen = true;
        signal("-STOP");
    }

    /** Lets it go on if it is frozen. */
    void thaw() {
        if (frozen) {
            frozen = false;
            signal("-CONT");
        }
    }

    private void signal(String signal) {
        try {
            int code = new ProcessBuilder("kill", signal, Long.toString(process.pid()))
                    .inheritIO()
                    .start()
                    .waitFor();
            if (code != 0) {
                throw new Failure("kill " + signal + " failed", null);
            }
        } catch (IOException e) {
            throw new Failure("no kill on this system: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure("interrupted", e);
        }
    }

    void kill() {
        process.destroyForcibly();
    }

    /** Ends what is done to it, and has it say what it got meanwhile. */
    void end() {
        if (process.isAlive()) {
            thaw();
            become(Behaviour.OK);
        }
    }

    /** Makes it whole again, whatever was done to it, and forgets what it got. */
    void heal() {
        if (!process.isAlive()) {
            said.clear();
            process = launch();
            orders = new PrintWriter(process.outputWriter(StandardCharsets.UTF_8), true);
            awaitReady();
        }
        end();
        synchronized (requests) {
            requests.clear();
        }
    }

    /** {@return how often it got a request of this number or a later one} */
    int requestsFrom(int number) {
        synchronized (requests) {
            return (int) requests.stream().filter(each -> each >= number).count();
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
