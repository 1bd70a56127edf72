/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.time.RandomSource;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Endpoints named by DNS: all addresses of a host, or all services of an SRV record. Asked again when the answer's TTL is
 * over, but no sooner than {@link #MIN_REFRESH} and no later than {@link #MAX_REFRESH}. Thread-safe.
 *
 * <p>While DNS fails, knows no such name or names nothing, the endpoints it named last stay, and it is asked again with
 * back-off. Of services those of the lowest priority are used, each with its weight (0 counts as 1). An endpoint is
 * called {@code host:port}. It is asked for the first time when the source is started, which waits for the answer.
 */
public final class DnsEndpoints implements EndpointSource {
    /** The shortest time an answer is kept, whatever its TTL: a TTL of 0 is no reason to ask without pause. */
    public static final Duration MIN_REFRESH = Duration.ofSeconds(1);
    /** The longest time an answer is kept, whatever its TTL. */
    public static final Duration MAX_REFRESH = Duration.ofMinutes(5);
    /** The longest pause before DNS is asked again after it failed; the first is {@link #MIN_REFRESH}. */
    public static final Duration MAX_FAILURE_PAUSE = Duration.ofSeconds(30);

    private static final Logger LOG = LoggerFactory.getLogger(EndpointSource.class);
    private static final String FAILED = "dns failed";

    private final String name;
    private final DnsResolver.Kind kind;
    private final int port;
    private final String scheme;
    private final DnsResolver resolver;
    private final Scheduler scheduler;
    private final boolean ownsScheduler;
    private final RandomGenerator random;
    private final Warnings warnings;
    private int failures;
    private volatile boolean closed;

    private DnsEndpoints(Builder builder) {
        name = builder.name;
        kind = builder.kind;
        port = builder.port;
        scheme = builder.scheme;
        resolver = builder.resolver == null ? DnsResolver.system() : builder.resolver;
        ownsScheduler = builder.scheduler == null;
        scheduler = builder.scheduler == null ? Scheduler.singleThread("balancedllm-dns") : builder.scheduler;
        random = builder.random;
        warnings = new Warnings(LOG, Ticker.system());
    }

    /**
     * {@return a builder of a source of all addresses of a host, IPv4 and IPv6}
     *
     * @param host its name
     * @param port the port of all endpoints
     */
    public static Builder addresses(String host, int port) {
        if (port < 1 || port > 65_535) {
            throw new IllegalArgumentException("port must be 1 to 65535, got " + port);
        }
        return new Builder(host, DnsResolver.Kind.ADDRESSES, port);
    }

    /**
     * {@return a builder of a source of all services of an SRV record}
     *
     * @param service its name, such as {@code _llm._tcp.example.org}
     */
    public static Builder services(String service) {
        return new Builder(service, DnsResolver.Kind.SERVICES, 0);
    }

    @Override
    public void start(Watcher watcher) {
        look(watcher);
    }

    private void look(Watcher watcher) {
        if (closed) {
            return;
        }
        Duration next;
        try {
            DnsResolver.Answer answer = resolver.resolve(name, kind);
            failures = 0;
            warnings.over(FAILED);
            next = clamp(answer.ttl(), MIN_REFRESH, MAX_REFRESH);
            List<EndpointSpec> specs = specs(answer.found());
            if (!closed) {
                watcher.endpoints(specs);
            }
        } catch (IOException | RuntimeException e) {
            warnings.warn(FAILED, this + ": " + e.getMessage() + "; the endpoints it named last stay");
            Duration pause = MIN_REFRESH.multipliedBy(1L << Math.min(failures++, 10));
            next = clamp(pause, MIN_REFRESH, MAX_FAILURE_PAUSE);
        }
        // Up to a tenth early, never late: clients that started together do not ask together for ever.
        long nanos = next.toNanos();
        long early = next.compareTo(MIN_REFRESH) > 0 ? (long) (random.nextDouble() * nanos / 10) : 0;
        scheduler.schedule("dns", nanos - early, () -> look(watcher));
    }

    private static Duration clamp(Duration value, Duration least, Duration most) {
        return value.compareTo(least) < 0 ? least : value.compareTo(most) > 0 ? most : value;
    }

    private List<EndpointSpec> specs(List<DnsResolver.Found> found) {
        int first = found.stream().mapToInt(DnsResolver.Found::priority).min().orElse(0);
        return found.stream()
                .filter(one -> one.priority() == first)
                .limit(DiscoveryJson.MAX_ENDPOINTS)
                .map(this::spec)
                .distinct()
                .toList();
    }

    private EndpointSpec spec(DnsResolver.Found found) {
        String host = found.host().contains(":") ? "[" + found.host() + "]" : found.host();
        String address = host + ":" + (kind == DnsResolver.Kind.SERVICES ? found.port() : port);
        return EndpointSpec.builder(address, scheme + "://" + address)
                .weight(Math.max(1, found.weight()))
                .build();
    }

    @Override
    public void close() {
        closed = true;
        if (ownsScheduler) {
            scheduler.close();
        }
    }

    @Override
    public String toString() {
        return "dns " + name;
    }

    /** Builds {@link DnsEndpoints}. Not thread-safe. */
    public static final class Builder {
        private final String name;
        private final DnsResolver.Kind kind;
        private final int port;
        private String scheme = "http";
        private @Nullable DnsResolver resolver;
        private @Nullable Scheduler scheduler;
        private RandomGenerator random = RandomSource.system();

        private Builder(String name, DnsResolver.Kind kind, int port) {
            if (name.isBlank()) {
                throw new IllegalArgumentException("name must not be blank");
            }
            this.name = name;
            this.kind = kind;
            this.port = port;
        }

        /** Speaks https with the endpoints; default http. */
        public Builder https() {
            this.scheme = "https";
            return this;
        }

        /** Sets who looks names up; default {@link DnsResolver#system()}. */
        public Builder resolver(DnsResolver resolver) {
            this.resolver = resolver;
            return this;
        }

        /** Sets whose thread asks, so it must be one that may block; borrowed. Default: a thread of its own. */
        public Builder scheduler(Scheduler scheduler) {
            this.scheduler = scheduler;
            return this;
        }

        /** Sets the source of chance. */
        public Builder random(RandomGenerator random) {
            this.random = random;
            return this;
        }

        /** {@return the source} */
        public DnsEndpoints build() {
            return new DnsEndpoints(this);
        }
    }
}
