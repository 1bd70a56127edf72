/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.balancedllm.discovery.EndpointSpec;
import io.balancedllm.discovery.WorkerRegistration;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.examples.fleet.TokenFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options by which a worker announces itself to balancers. Not thread-safe. */
final class RegistrationOptions {
    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Option(
            names = "--register",
            paramLabel = "URL",
            description = "A balancer to register with, as http://host:port; repeat it for each one.")
    private List<String> registrars = new ArrayList<>();

    @Option(names = "--token-file", paramLabel = "F", description = "A file with the token the balancers want.")
    private @Nullable Path tokenFile;

    @Option(
            names = "--advertise",
            paramLabel = "URL",
            description = "The address balancers are to reach this worker at. Default: the one it listens at.")
    private @Nullable String advertised;

    /**
     * Registers, for as long as the result is open.
     *
     * @param listening the address it listens at
     * @return nothing when there is nobody to register with
     */
    Optional<WorkerRegistration> start(String listening, List<Endpoint> replicas) {
        if (registrars.isEmpty()) {
            return Optional.empty();
        }
        String url = advertised == null ? listening : advertised;
        try {
            EndpointSpec.Builder spec = EndpointSpec.builder(url.replaceFirst("^https?://", ""), url);
            replicas.forEach(replica -> replica.backend().traits().models().forEach(spec::model));
            WorkerRegistration.Builder registration =
                    WorkerRegistration.builder(spec.build()).report(load(replicas));
            registrars.forEach(registration::registrar);
            if (tokenFile != null) {
                registration.token(TokenFile.read(tokenFile, command));
            }
            return Optional.of(registration.start());
        } catch (IllegalArgumentException e) {
            throw new ParameterException(
                    command.commandLine(), "--register or --advertise: " + e.getMessage() + ", got " + registrars, e);
        }
    }

    /** The replicas together; nothing unless all tell, for a part of a sum is no sum. */
    private static Supplier<Optional<EngineReport>> load(List<Endpoint> replicas) {
        return () -> {
            int running = 0;
            int waiting = 0;
            for (Endpoint replica : replicas) {
                Optional<EngineReport> report = replica.backend()
                        .report(Duration.ZERO)
                        .toCompletableFuture()
                        .getNow(Optional.empty());
                if (report.isEmpty() || report.get().requests().isEmpty()) {
                    return Optional.empty();
                }
                running += report.get().running().orElse(0);
                waiting += report.get().waiting().orElse(0);
            }
            return Optional.of(
                    EngineReport.builder().running(running).waiting(waiting).build());
        };
    }
}
