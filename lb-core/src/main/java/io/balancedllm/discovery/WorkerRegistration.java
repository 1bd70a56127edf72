/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.time.RandomSource;
import io.balancedllm.time.Scheduler;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Keeps a worker registered with one or more balancers ({@link EndpointRegistrar}), each on its own: registers, says again
 * and again that it is there and how busy, and expects an answer. When there is none, or the balancer does not know the
 * worker (any more), it registers again, with back-off and for ever, so balancers may restart and come late. Thread-safe.
 *
 * <pre>{@code
 * try (WorkerRegistration registration = WorkerRegistration
 *         .builder(EndpointSpec.builder("gpu-1", "http://10.0.0.7:8000").model("chat").build())
 *         .registrar("http://balancer:7070").token(secret).start()) {
 *     ...                                      // closing it leaves
 * }
 * }</pre>
 */
public final class WorkerRegistration implements AutoCloseable {
    /** The first pause after a registration or a beat failed. */
    public static final Duration FIRST_PAUSE = Duration.ofMillis(500);
    /** The longest pause; pauses double in between, and each is cut by up to a half at random. */
    public static final Duration LONGEST_PAUSE = Duration.ofSeconds(15);

    private final List<Registrar> registrars = new ArrayList<>();

    private WorkerRegistration(Builder builder) {
        for (URI url : builder.registrars) {
            registrars.add(new Registrar(builder, url));
        }
        registrars.forEach(Registrar::begin);
    }

    /** {@return a builder of a registration of this endpoint, as balancers are to reach it} */
    public static Builder builder(EndpointSpec endpoint) {
        return new Builder(endpoint);
    }

    /** {@return how many of the balancers know this worker, as far as it can tell} */
    public int registered() {
        return (int) registrars.stream().filter(Registrar::isRegistered).count();
    }

    /** Leaves all balancers, as far as they answer within two seconds each, and stops. Idempotent. */
    @Override
    public void close() {
        registrars.parallelStream().forEach(Registrar::end);
    }

    /** One balancer, with a thread of its own, so that one that hangs does not hold up the others. */
    private static final class Registrar {
        private final RegistrarClient client;
        private final ObjectNode announcement;
        private final Supplier<Optional<EngineReport>> report;
        private final Scheduler scheduler;
        private final boolean ownsScheduler;
        private final RandomGenerator random;
        private volatile @Nullable String lease;
        private volatile boolean ended;
        private long number;
        private int failures;

        Registrar(Builder builder, URI url) {
            client = new RegistrarClient(url, builder.token);
            announcement = DiscoveryJson.write(builder.endpoint);
            report = builder.report;
            random = builder.random;
            ownsScheduler = builder.scheduler == null;
            scheduler = builder.scheduler == null
                    ? Scheduler.singleThread("balancedllm-registration-" + url.getHost())
                    : builder.scheduler;
        }

        boolean isRegistered() {
            return lease != null;
        }

        void begin() {
            scheduler.schedule("register", 0, this::step);
        }

        private void step() {
            if (ended) {
                return;
            }
            long next = pause();
            try {
                String held = lease;
                RegistrarClient.Answer answer = held == null ? register() : beat(held);
                if (answer.isTaken()) {
                    failures = 0;
                    next = answer.nextBeat().toNanos();
                } else if (answer.isGone()) {
                    lease = null;
                    next = held == null ? next : 0; // it has restarted: at once
                }
            } finally {
                scheduler.schedule(lease == null ? "register" : "beat", next, this::step);
            }
        }

        private RegistrarClient.Answer register() {
            ObjectNode body = announcement.deepCopy();
            addReport(body);
            RegistrarClient.Answer answer = client.post("/v1/endpoints", body);
            JsonNode given = answer.body().path("lease");
            if (answer.isTaken() && given.isTextual()) {
                lease = given.textValue();
                number = 0;
            }
            return answer;
        }

        private RegistrarClient.Answer beat(String held) {
            ObjectNode body = DiscoveryJson.object().put("lease", held).put("number", ++number);
            addReport(body);
            return client.post("/v1/endpoints/beat", body);
        }

        private void addReport(ObjectNode body) {
            try {
                report.get().ifPresent(told -> body.set("report", DiscoveryJson.write(told)));
            } catch (RuntimeException e) {
                client.complain("the load could not be reported: " + e);
            }
        }

        private long pause() {
            long longest = Math.min(LONGEST_PAUSE.toNanos(), FIRST_PAUSE.toNanos() << Math.min(failures++, 10));
            return longest / 2 + (long) (random.nextDouble() * longest / 2);
        }

        void end() {
            if (ended) {
                return;
            }
            ended = true;
            if (ownsScheduler) {
                scheduler.close();
            }
            String held = lease;
            lease = null;
            if (held != null) {
                RegistrarClient.Answer unused = client.post(
                        "/v1/endpoints/leave", DiscoveryJson.object().put("lease", held));
            }
            client.close();
        }
    }

    /** Builds a {@link WorkerRegistration}. Not thread-safe. */
    public static final class Builder {
        private final EndpointSpec endpoint;
        private final Set<URI> registrars = new LinkedHashSet<>();
        private @Nullable String token;
        private Supplier<Optional<EngineReport>> report = Optional::empty;
        private @Nullable Scheduler scheduler;
        private RandomGenerator random = RandomSource.system();

        private Builder(EndpointSpec endpoint) {
            this.endpoint = endpoint;
        }

        /** Adds a balancer, {@code http://host:port}; at least one. */
        public Builder registrar(String url) {
            URI checked =
                    URI.create(EndpointSpec.builder("registrar", url).build().url());
            registrars.add(checked);
            return this;
        }

        /** Sets what the balancers want to know. It is never printed. */
        public Builder token(String token) {
            if (token.isBlank() || token.chars().anyMatch(c -> c < ' ' || c > '~')) {
                throw new IllegalArgumentException("token must be printable characters of ASCII, not all blank");
            }
            this.token = token;
            return this;
        }

        /** Sets what tells the load, asked before each beat; must not block. Default: nothing is told. */
        public Builder report(Supplier<Optional<EngineReport>> report) {
            this.report = report;
            return this;
        }

        /** Sets whose thread talks to the balancers, so it must be one that may block; borrowed. Default: one for each. */
        public Builder scheduler(Scheduler scheduler) {
            this.scheduler = scheduler;
            return this;
        }

        /** Sets the source of chance. */
        public Builder random(RandomGenerator random) {
            this.random = random;
            return this;
        }

        /**
         * {@return the registration, which has begun}
         *
         * @throws IllegalStateException when there is no registrar
         */
        public WorkerRegistration start() {
            if (registrars.isEmpty()) {
                throw new IllegalStateException("name at least one registrar(...)");
            }
            return new WorkerRegistration(this);
        }
    }
}
