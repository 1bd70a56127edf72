/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.fleet;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.cache.CacheOptions;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.routing.RoutingPolicies;
import java.net.URI;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say what to balance over and how. Not thread-safe. */
public final class FleetOptions {
    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Mixin
    private final ModelOptions model = new ModelOptions();

    @Mixin
    private final SourceOptions source = new SourceOptions();

    @Option(
            names = "--endpoint",
            paramLabel = "URL",
            description = "A server that speaks the OpenAI wire, as http://host:port; repeat it for each one. Default:"
                    + " models in this process.")
    private List<String> endpoints = new ArrayList<>();

    @Option(
            names = "--policy",
            paramLabel = "NAME",
            defaultValue = "prefixAffinity",
            completionCandidates = PolicyNames.class,
            description = "How to choose among the endpoints: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    private String policy = "";

    /**
     * Opens the fleet. Whoever closes the balancer closes everything in it.
     *
     * @throws ParameterException when an option has an impossible value
     */
    public BalancedLlm open() {
        return open(null);
    }

    /**
     * Opens the fleet with a cache before it, or without.
     *
     * @throws ParameterException when an option has an impossible value
     */
    public BalancedLlm open(@Nullable CacheOptions cache) {
        if (!RoutingPolicies.names().contains(policy)) {
            throw mistake("--policy \"" + policy + "\" is unknown: choose one of "
                    + String.join(", ", RoutingPolicies.names()));
        }
        if (!endpoints.isEmpty() && model.given()) {
            throw mistake("--endpoint uses remote models: leave out --model and --replicas");
        }
        if (source.given() && model.given()) {
            throw mistake("--registrar and --watch-file use remote models: leave out --model and --replicas");
        }
        EndpointPool.Builder pool = EndpointPool.builder();
        if (!endpoints.isEmpty() || !source.given()) {
            (endpoints.isEmpty() ? model.open() : remote()).forEach(pool::add);
        }
        BalancedLlm.Builder builder = BalancedLlm.builder().pool(pool.build()).routing(RoutingPolicies.named(policy));
        if (cache != null) {
            builder.cache(cache);
        }
        BalancedLlm llm = builder.build();
        try {
            source.fill(llm.pool());
            return llm;
        } catch (RuntimeException e) {
            llm.close();
            throw e;
        }
    }

    private List<Endpoint> remote() {
        Set<URI> addresses = new LinkedHashSet<>();
        for (String url : endpoints) {
            if (!addresses.add(address(url))) {
                throw mistake("--endpoint " + url + " is named twice: name each server once");
            }
        }
        return addresses.stream()
                .map(address -> Endpoint.of(name(address), OpenAiBackend.at(address.toString())))
                .toList();
    }

    private URI address(String url) {
        URI address;
        try {
            address = URI.create(url);
        } catch (IllegalArgumentException e) {
            throw mistake("--endpoint \"" + url + "\" is not a URL: write http://host:port");
        }
        String scheme = address.getScheme() == null ? "" : address.getScheme().toLowerCase(Locale.ROOT);
        if (!Set.of("http", "https").contains(scheme) || address.getHost() == null) {
            throw mistake("--endpoint \"" + url + "\" is not an HTTP URL: write http://host:port");
        }
        if (address.getUserInfo() != null || address.getQuery() != null || address.getFragment() != null) {
            throw mistake("--endpoint takes scheme, host, port and path only: write http://host:port");
        }
        return address;
    }

    private static String name(URI address) {
        return address.getPort() == -1 ? address.getHost() : address.getHost() + ":" + address.getPort();
    }

    private ParameterException mistake(String message) {
        return new ParameterException(command.commandLine(), message);
    }

    /** What {@code --help} lists as the values of {@code --policy}. */
    private static final class PolicyNames implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return RoutingPolicies.names().iterator();
        }
    }
}
