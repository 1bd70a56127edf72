/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.discovery.EndpointSource;
import io.balancedllm.discovery.EndpointSpec;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.LlmBackend;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes a pool agree with a source, by difference: what changed changes, everything else keeps its counts, its health
 * and its connections. Touches only endpoints it has added itself.
 */
final class PoolSource implements EndpointSource.Watcher {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointPool.class);

    private final EndpointPool pool;
    private final EndpointSource source;
    private final Function<EndpointSpec, LlmBackend> backends;
    /** What of the source's endpoints is in the pool; guarded by this. */
    private final Map<String, EndpointSpec> present = new HashMap<>();
    /** Why endpoints are left out, so that each reason is told once and not with every set; guarded by this. */
    private final Map<String, String> refused = new HashMap<>();

    private volatile boolean closed;

    PoolSource(EndpointPool pool, EndpointSource source, Function<EndpointSpec, LlmBackend> backends) {
        this.pool = pool;
        this.source = source;
        this.backends = backends;
    }

    void start() {
        source.start(this);
    }

    void close() {
        closed = true;
        source.close();
    }

    @Override
    public synchronized void endpoints(List<EndpointSpec> desired) {
        if (closed) {
            return;
        }
        Map<String, EndpointSpec> wanted = byId(desired);
        // First those that join, so that a set that changes altogether leaves no moment without anybody.
        wanted.values().forEach(this::put);
        Iterator<String> ids = present.keySet().iterator();
        while (ids.hasNext()) {
            String id = ids.next();
            if (!wanted.containsKey(id)) {
                ids.remove();
                pool.remove(id);
            }
        }
        refused.keySet().retainAll(wanted.keySet());
    }

    @Override
    public void report(String id, EngineReport report) {
        if (!closed) {
            pool.report(id, report);
        }
    }

    private Map<String, EndpointSpec> byId(List<EndpointSpec> desired) {
        Map<String, EndpointSpec> wanted = new LinkedHashMap<>();
        for (EndpointSpec spec : desired) {
            if (wanted.putIfAbsent(spec.id(), spec) != null) {
                refuse(spec, "its id is named twice, the first one counts");
            }
        }
        return wanted;
    }

    private void put(EndpointSpec spec) {
        EndpointSpec before = present.get(spec.id());
        try {
            if (before == null) {
                add(spec);
            } else if (!spec.isSameEndpoint(before)) {
                pool.replace(endpoint(spec));
                present.put(spec.id(), spec);
            } else {
                update(before, spec);
            }
        } catch (IllegalStateException e) {
            LOG.debug("{}: the pool was closed meanwhile", source, e);
        } catch (RuntimeException e) {
            refuse(spec, e.toString());
        }
    }

    private void add(EndpointSpec spec) {
        if (pool.endpoint(spec.id()).isPresent()) {
            refuse(spec, "the pool has an endpoint of this id that did not come from this source");
            return;
        }
        Endpoint endpoint = endpoint(spec);
        try {
            pool.add(endpoint);
        } catch (RuntimeException e) {
            endpoint.backend().close();
            throw e;
        }
        present.put(spec.id(), spec);
        refused.remove(spec.id());
    }

    private void update(EndpointSpec before, EndpointSpec spec) {
        if (spec.equals(before)) {
            return;
        }
        if (!gone(spec)) {
            if (spec.weight() != before.weight()) {
                pool.updateWeight(spec.id(), spec.weight());
            }
            if (spec.maxConcurrency() != before.maxConcurrency()) {
                pool.updateMaxConcurrency(spec.id(), spec.maxConcurrency());
            }
        }
        present.put(spec.id(), spec);
    }

    /** Somebody may have taken out by hand what the source still names; it stays out until its next generation. */
    private boolean gone(EndpointSpec spec) {
        return pool.endpoint(spec.id()).isEmpty();
    }

    private Endpoint endpoint(EndpointSpec spec) {
        Endpoint.Builder endpoint = Endpoint.builder(spec.id(), backends.apply(spec))
                .weight(spec.weight())
                .maxConcurrency(spec.maxConcurrency());
        spec.models().forEach(endpoint::model);
        spec.labels().forEach(endpoint::label);
        return endpoint.build();
    }

    private void refuse(EndpointSpec spec, String why) {
        String told = refused.put(spec.id(), why);
        if (!why.equals(told)) {
            LOG.warn("{}: {} is left out: {}", source, spec, why);
        }
    }
}
