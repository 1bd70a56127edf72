/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.discovery.WorkerRegistration;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.examples.fleet.EngineOptions;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Serves GPT-2, or a simulated engine, on the OpenAI wire until it is told to end; then refuses new requests, lets those in flight end and
 * exits with 0.
 */
@Command(name = "worker", description = "Serves GPT-2 on the OpenAI wire.", mixinStandardHelpOptions = true)
public final class WorkerCommand implements Callable<Integer> {
    private static final int MAX_PORT = 65_535;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = "--port",
            paramLabel = "P",
            required = true,
            description = "The port to listen at; 0 takes any free one.")
    private int port;

    @Option(
            names = "--host",
            paramLabel = "H",
            defaultValue = "127.0.0.1",
            description = "The address to listen at. Default: ${DEFAULT-VALUE}, reachable from this machine only.")
    private String host = "";

    @Mixin
    private final EngineOptions engine = new EngineOptions();

    @Mixin
    private final RegistrationOptions registration = new RegistrationOptions();

    @Override
    public Integer call() throws InterruptedException {
        if (port < 0 || port > MAX_PORT) {
            throw new ParameterException(spec.commandLine(), "--port must be 0 to " + MAX_PORT + ", got " + port);
        }
        List<Endpoint> replicas = engine.open();
        EndpointPool.Builder pool = EndpointPool.builder();
        replicas.forEach(pool::add);
        try (BalancedLlm llm = BalancedLlm.builder().pool(pool.build()).build();
                WorkerServer server = listen(llm, replicas)) {
            String url = "http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + server.port();
            Optional<WorkerRegistration> registered = registration.start(url, replicas);
            endGracefully(registered, server, llm, spec.commandLine().getErr());
            PrintWriter out = spec.commandLine().getOut();
            out.println("listening on " + url);
            out.flush();
            new CountDownLatch(1).await();
        }
        return ExitCode.OK;
    }

    private WorkerServer listen(BalancedLlm llm, List<Endpoint> replicas) {
        try {
            return WorkerServer.start(llm, replicas, host, port);
        } catch (IOException e) {
            throw new Failure(
                    "cannot listen at " + host + ":" + port + " (" + e.getMessage()
                            + "): choose another --port, or 0 for any free one",
                    e);
        }
    }

    /** A signal ends the machine with a code above 128 whatever the hooks do, unless one of them halts it with 0. */
    private static void endGracefully(
            Optional<WorkerRegistration> registered, WorkerServer server, BalancedLlm llm, PrintWriter err) {
        Thread hook = new Thread(
                () -> {
                    int code = ExitCode.OK;
                    registered.ifPresent(WorkerRegistration::close); // first, so that nobody sends what is refused
                    try {
                        if (!server.drain()) {
                            err.println("requests were still running after " + WorkerServer.DRAIN.toSeconds() + " s");
                            code = ExitCode.SOFTWARE;
                        }
                    } catch (InterruptedException e) {
                        code = ExitCode.SOFTWARE;
                    }
                    llm.close();
                    server.close();
                    err.flush();
                    Runtime.getRuntime().halt(code);
                },
                "worker-shutdown");
        Runtime.getRuntime().addShutdownHook(hook);
    }
}
