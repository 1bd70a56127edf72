/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.fleet;

import io.balancedllm.EndpointPool;
import io.balancedllm.discovery.EndpointRegistrar;
import io.balancedllm.discovery.EndpointSource;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.openai.OpenAiBackend;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say where endpoints come from when they are not named. Not thread-safe. */
public final class SourceOptions {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int MAX_PORT = 65_535;

    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Option(
            names = "--registrar",
            paramLabel = "PORT",
            description = "Lets workers register at this port of loopback, and waits for the first one.")
    private @Nullable Integer registrar;

    @Option(names = "--token-file", paramLabel = "F", description = "A file with the token workers must know.")
    private @Nullable Path tokenFile;

    @Option(
            names = "--watch-file",
            paramLabel = "F",
            description = "A JSON file that names the servers, read again when it changes:"
                    + " {\"endpoints\": [{\"url\": \"http://host:port\"}]}.")
    private @Nullable Path watched;

    boolean given() {
        return registrar != null || watched != null;
    }

    /**
     * Lets the source fill the pool, and waits for the first endpoint.
     *
     * @throws Failure when none comes
     */
    void fill(EndpointPool pool) {
        CountDownLatch joined = new CountDownLatch(1);
        EndpointPool.Watch watch = pool.watch(event -> {
            if (event.kind() == PoolEvent.Kind.ADDED) {
                joined.countDown();
            }
        });
        if (watched != null) {
            pool.source(EndpointSource.file(watched), spec -> OpenAiBackend.at(spec.url()));
        }
        if (registrar != null) {
            pool.source(open(registrar), spec -> OpenAiBackend.at(spec.url()));
        }
        if (pool.endpoints().isEmpty()) {
            command.commandLine().getErr().println("waiting for a worker ...");
            command.commandLine().getErr().flush();
            await(joined);
        }
        watch.close();
    }

    private EndpointRegistrar open(int port) {
        if (port < 0 || port > MAX_PORT) {
            throw new ParameterException(
                    command.commandLine(), "--registrar must be 0 to " + MAX_PORT + ", got " + port);
        }
        EndpointRegistrar.Builder builder = EndpointRegistrar.builder().port(port);
        if (tokenFile != null) {
            builder.token(TokenFile.read(tokenFile, command));
        }
        try {
            return builder.open();
        } catch (IOException e) {
            throw new Failure("cannot listen for workers at port " + port + ": " + e.getMessage(), e);
        }
    }

    private static void await(CountDownLatch joined) {
        try {
            if (!joined.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                throw new Failure("no worker came within " + PATIENCE.toSeconds() + " s", null);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure("interrupted while waiting for a worker", e);
        }
    }
}
