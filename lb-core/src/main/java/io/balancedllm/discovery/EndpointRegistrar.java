/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where workers announce themselves: a source of the endpoints that have registered over HTTP and keep saying that they
 * are there. {@link WorkerRegistration} is the other side. Thread-safe.
 *
 * <pre>{@code
 * EndpointRegistrar registrar = EndpointRegistrar.builder().port(7070).token(secret).open();
 * pool.source(registrar, spec -> OpenAiBackend.at(spec.url()));
 * }</pre>
 *
 * <p>A registration is a lease: it ends when its worker leaves or is silent for {@link #DEFAULT_LEASE}, and the endpoint
 * then gets nothing new but ends what it has. Registering again replaces the endpoint by a new generation; what is said
 * under the old lease is refused.
 *
 * <p>It listens on loopback unless told otherwise. Anywhere else it needs a token: who may register gets traffic. Only the
 * address an announcement comes from may be announced, unless {@link Builder#allowHost} says which hosts may. It speaks
 * plain HTTP, so outside of a trusted network put it behind something that speaks TLS.
 *
 * <table>
 * <caption>The protocol: POST with {@code Authorization: Bearer TOKEN}, JSON both ways</caption>
 * <tr><th>path</th><th>sends</th><th>gets</th></tr>
 * <tr><td>{@code /v1/endpoints}</td><td>{@code id, url, weight?, max_concurrency?, models?, labels?, generation?,
 *     report?}</td><td>201 {@code lease, ttl_ms, beat_ms}</td></tr>
 * <tr><td>{@code /v1/endpoints/beat}</td><td>{@code lease, number, report?}; the number counts up</td><td>200 {@code
 *     ttl_ms, beat_ms}</td></tr>
 * <tr><td>{@code /v1/endpoints/leave}</td><td>{@code lease}</td><td>200</td></tr>
 * <tr><td>refusals</td><td></td><td>400 malformed, 401 token, 403 host, 404, 405, 409 number was used, 410 no such lease
 *     (register again), 411, 413, 503 too many endpoints, each with {@code error.message}</td></tr>
 * </table>
 */
public final class EndpointRegistrar implements EndpointSource {
    /** How long a worker may be silent when nothing else is said. */
    public static final Duration DEFAULT_LEASE = Duration.ofSeconds(10);
    /** Endpoints that may be registered when nothing else is said. */
    public static final int DEFAULT_MAX_ENDPOINTS = 1_024;
    /** Beats in a lease: so many less one may be lost. */
    static final int BEATS_PER_LEASE = 3;

    private static final Logger LOG = LoggerFactory.getLogger(EndpointRegistrar.class);
    private static final String PATH = "/v1/endpoints";
    private static final String BEARER = "Bearer ";

    private final byte @Nullable [] token;
    private final HostRules hosts;
    private final Duration lease;
    private final Scheduler scheduler;
    private final boolean ownsScheduler;
    private final Warnings warnings;
    private final Leases leases;
    private final RegistrarServer server;

    private EndpointRegistrar(Builder builder) throws IOException {
        token = builder.token == null ? null : digest(builder.token);
        hosts = new HostRules(builder.hosts);
        lease = builder.lease;
        ownsScheduler = builder.scheduler == null;
        scheduler = builder.scheduler == null ? Scheduler.singleThread("balancedllm-leases") : builder.scheduler;
        warnings = new Warnings(LOG, Ticker.system());
        leases = new Leases(lease, builder.maxEndpoints, scheduler);
        server = new RegistrarServer(builder.address(), this::answer, scheduler, warnings);
        server.start();
    }

    /** {@return a builder of a registrar} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return the port it listens at} */
    public int port() {
        return server.port();
    }

    /** {@return who is registered now} */
    public List<EndpointSpec> registered() {
        return leases.registered();
    }

    @Override
    public void start(Watcher watcher) {
        leases.watch(watcher);
    }

    /** Stops to listen. What is registered stays in the pool, as with every source that says nothing. */
    @Override
    public void close() {
        server.close();
        leases.close();
        if (ownsScheduler) {
            scheduler.close();
        }
    }

    private RegistrarServer.Reply answer(RegistrarServer.Request request) {
        if (!isPath(request.path())) {
            return refusal(404, "POST to " + PATH + ", " + PATH + "/beat or " + PATH + "/leave");
        }
        if (!request.method().equals("POST")) {
            return refusal(405, "POST to this path");
        }
        if (!mayEnter(request.authorization())) {
            warnings.warn("token", "a request to register from " + request.peer() + " had no valid token");
            return refusal(401, "send the token as Authorization: Bearer");
        }
        try {
            JsonNode body = DiscoveryJson.read(request.body());
            EngineReport report = body.path("report").isObject() ? DiscoveryJson.report(body.get("report")) : null;
            return switch (request.path().substring(PATH.length())) {
                case "" -> register(DiscoveryJson.spec(body), report, request.peer());
                case "/beat" -> beat(body, report);
                default -> reply(leases.leave(DiscoveryJson.text(body, "lease")));
            };
        } catch (IllegalArgumentException e) {
            warnings.warn(
                    "malformed", "a malformed request to register from " + request.peer() + ": " + e.getMessage());
            return refusal(400, String.valueOf(e.getMessage()));
        } catch (RuntimeException e) {
            LOG.error("a registration failed inside", e);
            return refusal(500, "the registrar failed");
        }
    }

    private static boolean isPath(String path) {
        return path.equals(PATH) || path.equals(PATH + "/beat") || path.equals(PATH + "/leave");
    }

    /** In constant time: both are digests of the same length. */
    private boolean mayEnter(String authorization) {
        if (token == null) {
            return true;
        }
        String given = authorization.startsWith(BEARER) ? authorization.substring(BEARER.length()) : "";
        return MessageDigest.isEqual(token, digest(given));
    }

    private static byte[] digest(String text) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private RegistrarServer.Reply register(EndpointSpec spec, @Nullable EngineReport report, InetAddress peer) {
        String host = URI.create(spec.url()).getHost();
        if (!hosts.allow(host, peer)) {
            warnings.warn("host", peer + " announced a host that may not be announced");
            return refusal(403, "this host may not be announced from " + peer.getHostAddress());
        }
        Optional<String> secret = leases.register(spec, report);
        if (secret.isEmpty()) {
            warnings.warn("full", "too many endpoints want to register: " + peer + " was refused");
            return refusal(503, "too many endpoints are registered");
        }
        return new RegistrarServer.Reply(201, DiscoveryJson.write(times().put("lease", secret.get())));
    }

    private RegistrarServer.Reply beat(JsonNode body, @Nullable EngineReport report) {
        JsonNode number = body.path("number");
        if (!number.isIntegralNumber() || !number.canConvertToLong()) {
            throw new IllegalArgumentException("number must be a whole number");
        }
        return reply(leases.beat(DiscoveryJson.text(body, "lease"), number.longValue(), report));
    }

    private RegistrarServer.Reply reply(Leases.Verdict verdict) {
        return switch (verdict) {
            case TAKEN -> new RegistrarServer.Reply(200, DiscoveryJson.write(times()));
            case GONE -> refusal(410, "no such lease: register again");
            case REPLAYED -> refusal(409, "this number was used: count up");
        };
    }

    private ObjectNode times() {
        return DiscoveryJson.object()
                .put("ttl_ms", lease.toMillis())
                .put("beat_ms", lease.toMillis() / BEATS_PER_LEASE);
    }

    static RegistrarServer.Reply refusal(int status, String message) {
        ObjectNode body = DiscoveryJson.object();
        body.putObject("error").put("message", message);
        return new RegistrarServer.Reply(status, DiscoveryJson.write(body));
    }

    @Override
    public String toString() {
        return "registrar on port " + port();
    }

    /** Builds an {@link EndpointRegistrar}. Not thread-safe. */
    public static final class Builder {
        private static final int MAX_PORT = 65_535;
        private static final Duration LONGEST_LEASE = Duration.ofHours(1);

        private @Nullable String token;
        private final List<String> hosts = new ArrayList<>();
        private Duration lease = DEFAULT_LEASE;
        private int maxEndpoints = DEFAULT_MAX_ENDPOINTS;
        private @Nullable Scheduler scheduler;
        private String host = "";
        private int port;

        private Builder() {}

        /** Sets the port to listen at, 0 for any free one; default 0. */
        public Builder port(int port) {
            if (port < 0 || port > MAX_PORT) {
                throw new IllegalArgumentException("port must be 0 to " + MAX_PORT + ", got " + port);
            }
            this.port = port;
            return this;
        }

        /** Sets the address to listen at; default the loopback address. */
        public Builder host(String host) {
            this.host = host;
            return this;
        }

        /** Sets what workers must know; required to listen anywhere but on loopback. It is never printed. */
        public Builder token(String token) {
            if (token.isBlank()) {
                throw new IllegalArgumentException("token must not be blank");
            }
            this.token = token;
            return this;
        }

        /**
         * Allows hosts to be announced, from any address: an address, a network such as {@code 10.0.0.0/8}, a name, or all
         * names below one as {@code *.gpu.example.org}. By default only the address the announcement comes from.
         */
        public Builder allowHost(String rule) {
            hosts.add(rule);
            HostRules unused = new HostRules(hosts); // says at once what is wrong
            return this;
        }

        /** Sets how long a worker may be silent, 1 s to 1 h; default 10 s. */
        public Builder lease(Duration lease) {
            if (lease.toMillis() < 1_000 || lease.compareTo(LONGEST_LEASE) > 0) {
                throw new IllegalArgumentException("lease must be 1 s to " + LONGEST_LEASE + ", got " + lease);
            }
            this.lease = lease;
            return this;
        }

        /** Sets how many endpoints may be registered, at least 1; default {@value #DEFAULT_MAX_ENDPOINTS}. */
        public Builder maxEndpoints(int endpoints) {
            if (endpoints < 1) {
                throw new IllegalArgumentException("maxEndpoints must be at least 1, got " + endpoints);
            }
            this.maxEndpoints = endpoints;
            return this;
        }

        /** Sets what keeps the timers of the leases; borrowed. */
        public Builder scheduler(Scheduler scheduler) {
            this.scheduler = scheduler;
            return this;
        }

        @SuppressWarnings("AddressSelection") // it can be bound to one only, and says which when that fails
        private InetSocketAddress address() throws UnknownHostException {
            InetAddress address = host.isEmpty() ? InetAddress.getLoopbackAddress() : InetAddress.getByName(host);
            if (token == null && !address.isLoopbackAddress()) {
                throw new IllegalStateException("a registrar that listens at " + host
                        + " can be reached by others: set a token, or listen on loopback");
            }
            return new InetSocketAddress(address, port);
        }

        /**
         * Starts to listen.
         *
         * @return the registrar, to be given to {@code EndpointPool.source}
         * @throws IllegalStateException when it would listen to others without a token
         * @throws IOException when the address cannot be listened at
         */
        public EndpointRegistrar open() throws IOException {
            return new EndpointRegistrar(this);
        }
    }
}
