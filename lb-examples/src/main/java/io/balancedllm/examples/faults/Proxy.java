/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import io.balancedllm.examples.console.Failure;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** HAProxy or nginx in a process of its own, with the settings their documentation recommends for retries and checks. */
final class Proxy implements AutoCloseable {
    private static final int START_TRIES = 200;
    private static final int TRY_MILLIS = 50;
    private static final int END_SECONDS = 5;
    private static final List<String> DIRECTORIES =
            List.of("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin");

    private final Process process;
    private final Path directory;
    private final int port;

    private Proxy(Process process, Path directory, int port) {
        this.process = process;
        this.directory = directory;
        this.port = port;
    }

    /** {@return the program, if it is installed} */
    static Optional<Path> program(String name) {
        return DIRECTORIES.stream()
                .map(each -> Path.of(each, name))
                .filter(Files::isExecutable)
                .findFirst();
    }

    static Proxy haproxy(List<FaultyWorker> workers) throws IOException {
        Path directory = Files.createTempDirectory("faults-haproxy");
        int port = freePort();
        StringBuilder config = new StringBuilder("""
                global
                  maxconn 2000
                defaults
                  mode http
                  option httpchk GET /health
                  option redispatch 1
                  retries 3
                  retry-on all-retryable-errors 401 403 408 425
                  timeout connect 1s
                  timeout client 60s
                  timeout server 60s
                  timeout check 1s
                frontend in
                  bind 127.0.0.1:PORT
                  default_backend workers
                backend workers
                  balance leastconn
                  default-server inter 1s fall 2 rise 1 observe layer7 error-limit 5 on-error mark-down on-marked-down shutdown-sessions
                """.replace("PORT", Integer.toString(port)));
        workers.forEach(worker -> config.append("  server w")
                .append(worker.port())
                .append(" 127.0.0.1:")
                .append(worker.port())
                .append(" check\n"));
        Path file = Files.writeString(directory.resolve("haproxy.cfg"), config);
        return start("haproxy", directory, port, "-db", "-q", "-f", file.toString());
    }

    static Proxy nginx(List<FaultyWorker> workers) throws IOException {
        Path directory = Files.createTempDirectory("faults-nginx");
        int port = freePort();
        StringBuilder servers = new StringBuilder();
        workers.forEach(worker -> servers.append("    server 127.0.0.1:")
                .append(worker.port())
                .append(" max_fails=1 fail_timeout=5s;\n"));
        String config = """
                daemon off;
                pid DIR/nginx.pid;
                error_log DIR/error.log;
                worker_processes 1;
                events { worker_connections 1024; }
                http {
                  access_log off;
                  client_body_temp_path DIR/body;
                  proxy_temp_path DIR/proxy;
                  fastcgi_temp_path DIR/fastcgi;
                  uwsgi_temp_path DIR/uwsgi;
                  scgi_temp_path DIR/scgi;
                  upstream workers {
                    least_conn;
                SERVERS    keepalive 16;
                  }
                  server {
                    listen 127.0.0.1:PORT;
                    location / {
                      proxy_pass http://workers;
                      proxy_http_version 1.1;
                      proxy_set_header Connection "";
                      proxy_buffering off;
                      proxy_connect_timeout 1s;
                      proxy_read_timeout 5s;
                      proxy_next_upstream error timeout http_500 http_502 http_503 http_504 http_403 http_429 non_idempotent;
                      proxy_next_upstream_tries 3;
                    }
                  }
                }
                """.replace("DIR", directory.toString())
                .replace("SERVERS", servers)
                .replace("PORT", Integer.toString(port));
        Path file = Files.writeString(directory.resolve("nginx.conf"), config);
        return start(
                "nginx",
                directory,
                port,
                "-c",
                file.toString(),
                "-e",
                directory.resolve("error.log").toString());
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private static Proxy start(String name, Path directory, int port, String... arguments) throws IOException {
        String program = program(name)
                .orElseThrow(() -> new Failure(name + " is not installed: leave out --system " + name, null))
                .toString();
        List<String> command =
                Stream.concat(Stream.of(program), Stream.of(arguments)).toList();
        Process process = new ProcessBuilder(command)
                .redirectOutput(directory.resolve("out.log").toFile())
                .redirectErrorStream(true)
                .start();
        Proxy proxy = new Proxy(process, directory, port);
        proxy.awaitListening(name);
        return proxy;
    }

    private void awaitListening(String name) throws IOException {
        for (int i = 0; i < START_TRIES; i++) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1_000);
                return;
            } catch (IOException e) {
                try {
                    if (process.waitFor(TRY_MILLIS, TimeUnit.MILLISECONDS)) {
                        throw new Failure(
                                name + " did not start: " + Files.readString(directory.resolve("out.log")), e);
                    }
                } catch (InterruptedException interrupt) {
                    Thread.currentThread().interrupt();
                    throw new Failure("interrupted", interrupt);
                }
            }
        }
        throw new Failure(name + " does not listen", null);
    }

    String url() {
        return "http://127.0.0.1:" + port;
    }

    @Override
    public void close() {
        List<ProcessHandle> children = process.descendants().toList();
        process.destroy(); // ends its children, where a child that dies is replaced
        try {
            if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            process.destroyForcibly();
        }
        children.forEach(ProcessHandle::destroyForcibly);
        try (Stream<Path> files = Files.walk(directory)) {
            files.sorted(java.util.Comparator.reverseOrder())
                    .forEach(file -> file.toFile().delete());
        } catch (IOException e) {
            directory.toFile().deleteOnExit();
        }
    }
}
