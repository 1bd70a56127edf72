/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.time.Scheduler;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who is registered and until when. Each registration is a life of its own: its lease is a secret that no other
 * registration knows, its generation a number never given twice, so what is said under an old lease is refused. Beats
 * count up, so one that was recorded and is sent again is refused, too. Thread-safe; tells its watcher holding its lock,
 * so in order.
 */
final class Leases {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointRegistrar.class);
    private static final int LEASE_BYTES = 18;

    private final Duration life;
    private final int limit;
    private final Scheduler scheduler;
    private final SecureRandom secrets = new SecureRandom();
    private final Map<String, Lease> byId = new LinkedHashMap<>();
    private final Map<String, Lease> bySecret = new HashMap<>();
    private EndpointSource.@Nullable Watcher watcher;
    private long generations;
    private boolean closed;

    /** How a message was taken. */
    enum Verdict {
        TAKEN,
        /** No such lease: it has expired, was given back or replaced, or never was. */
        GONE,
        /** Its number was used already. */
        REPLAYED
    }

    private static final class Lease {
        private final String secret;
        private final EndpointSpec spec;
        private long lastBeat;
        private Scheduler.@Nullable Timer timer;

        Lease(String secret, EndpointSpec spec) {
            this.secret = secret;
            this.spec = spec;
        }

        void cancelTimer() {
            if (timer != null) {
                timer.cancel();
            }
        }
    }

    Leases(Duration life, int limit, Scheduler scheduler) {
        this.life = life;
        this.limit = limit;
        this.scheduler = scheduler;
    }

    synchronized void watch(EndpointSource.Watcher told) {
        watcher = told;
        tell();
    }

    /**
     * Registers an endpoint, in place of the one that has its id.
     *
     * @return the secret of its lease, or nothing when there are too many
     */
    synchronized Optional<String> register(EndpointSpec asked, @Nullable EngineReport report) {
        Lease old = byId.get(asked.id());
        if (closed || (old == null && byId.size() >= limit)) {
            return Optional.empty();
        }
        byte[] secret = new byte[LEASE_BYTES];
        secrets.nextBytes(secret);
        String generation = asked.generation() + "#" + ++generations;
        Lease lease = new Lease(
                Base64.getUrlEncoder().withoutPadding().encodeToString(secret),
                asked.newBuilder().generation(generation).build());
        if (old != null) {
            old.cancelTimer();
            bySecret.remove(old.secret);
        }
        byId.put(asked.id(), lease);
        bySecret.put(lease.secret, lease);
        extend(lease);
        LOG.info("{} {}", lease.spec, old == null ? "has registered" : "has registered again");
        tell();
        tell(lease, report);
        return Optional.of(lease.secret);
    }

    synchronized Verdict beat(String secret, long number, @Nullable EngineReport report) {
        Lease lease = bySecret.get(secret);
        if (lease == null || closed) {
            return Verdict.GONE;
        }
        if (number <= lease.lastBeat) {
            return Verdict.REPLAYED;
        }
        lease.lastBeat = number;
        extend(lease);
        tell(lease, report);
        return Verdict.TAKEN;
    }

    synchronized Verdict leave(String secret) {
        Lease lease = bySecret.get(secret);
        if (lease == null || closed) {
            return Verdict.GONE;
        }
        LOG.info("{} has left", lease.spec);
        end(lease);
        return Verdict.TAKEN;
    }

    private void extend(Lease lease) {
        lease.cancelTimer();
        lease.timer = scheduler.schedule("lease", life.toNanos(), () -> expire(lease));
    }

    private synchronized void expire(Lease lease) {
        if (lease.equals(bySecret.get(lease.secret)) && !closed) {
            LOG.warn("{} was not heard of for {} s: it gets nothing new", lease.spec, life.toSeconds());
            end(lease);
        }
    }

    private void end(Lease lease) {
        lease.cancelTimer();
        bySecret.remove(lease.secret);
        byId.remove(lease.spec.id());
        tell();
    }

    private void tell() {
        EndpointSource.Watcher told = watcher;
        if (told != null) {
            List<EndpointSpec> all = new ArrayList<>();
            byId.values().forEach(lease -> all.add(lease.spec));
            told.endpoints(all);
        }
    }

    private void tell(Lease lease, @Nullable EngineReport report) {
        EndpointSource.Watcher told = watcher;
        if (told != null && report != null && !report.isEmpty()) {
            told.report(lease.spec.id(), report);
        }
    }

    synchronized List<EndpointSpec> registered() {
        return byId.values().stream().map(lease -> lease.spec).toList();
    }

    synchronized void close() {
        closed = true;
        byId.values().forEach(Lease::cancelTimer);
        byId.clear();
        bySecret.clear();
    }
}
