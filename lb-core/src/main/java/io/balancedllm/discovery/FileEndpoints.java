/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Endpoints named by a JSON file, which is read again and again: what counts is its content, so editors that rename,
 * links that are turned (Kubernetes) and clocks that stand do not matter. A file that is gone or broken leaves what was
 * read last.
 */
final class FileEndpoints implements EndpointSource {
    /** Larger files are refused. */
    static final int MAX_BYTES = 4 << 20;

    private static final Logger LOG = LoggerFactory.getLogger(EndpointSource.class);
    private static final String BROKEN = "broken file";

    private final Path path;
    private final Duration every;
    private final Scheduler scheduler;
    private final boolean ownsScheduler;
    private final Warnings warnings;
    private byte @Nullable [] lastRead;
    private volatile boolean closed;

    FileEndpoints(Path path, Duration every, @Nullable Scheduler scheduler, Ticker ticker) {
        if (every.toMillis() < 1) {
            throw new IllegalArgumentException("every must be at least 1 ms, got " + every);
        }
        this.path = path;
        this.every = every;
        this.ownsScheduler = scheduler == null;
        this.scheduler = scheduler == null ? Scheduler.singleThread("balancedllm-endpoint-file") : scheduler;
        this.warnings = new Warnings(LOG, ticker);
    }

    @Override
    public void start(Watcher watcher) {
        look(watcher);
    }

    private void look(Watcher watcher) {
        if (closed) {
            return;
        }
        try {
            read(watcher);
        } finally {
            scheduler.schedule("endpoint file", every.toNanos(), () -> look(watcher));
        }
    }

    private void read(Watcher watcher) {
        byte[] content;
        try (InputStream in = Files.newInputStream(path)) {
            content = in.readNBytes(MAX_BYTES + 1);
        } catch (IOException e) {
            broken("cannot be read: " + e);
            return;
        }
        if (Arrays.equals(content, lastRead)) {
            return;
        }
        lastRead = content;
        try {
            if (content.length > MAX_BYTES) {
                throw new IllegalArgumentException("has more than " + MAX_BYTES + " bytes");
            }
            List<EndpointSpec> endpoints = DiscoveryJson.endpoints(content);
            warnings.over(BROKEN);
            LOG.info("{} names {} endpoints", path, endpoints.size());
            watcher.endpoints(endpoints);
        } catch (IllegalArgumentException e) {
            broken(String.valueOf(e.getMessage()));
        }
    }

    private void broken(String why) {
        warnings.warn(BROKEN, path + " " + why + "; the endpoints it named last stay");
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
        return "file " + path;
    }
}
