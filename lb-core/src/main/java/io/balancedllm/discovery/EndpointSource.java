/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * Says which endpoints there should be, always as the full set; a pool makes the difference. Thread-safe.
 *
 * <p>A source that cannot tell says nothing: what it said last stands, so one that fails never empties a pool. An empty
 * set is a statement, and takes all of its endpoints out.
 */
public interface EndpointSource extends AutoCloseable {
    /** How often a file is looked at when nothing else is said. */
    Duration DEFAULT_FILE_INTERVAL = Duration.ofSeconds(2);

    /**
     * Starts to tell, at once or later, from any thread, one set at a time and in order. Called once.
     *
     * @param watcher what to tell
     */
    void start(Watcher watcher);

    /** Stops to tell and frees what is held; what was told last stands. Idempotent. */
    @Override
    void close();

    /** {@return a source that names these endpoints and never changes} */
    static EndpointSource fixed(List<EndpointSpec> endpoints) {
        List<EndpointSpec> copy = List.copyOf(endpoints);
        return new EndpointSource() {
            @Override
            public void start(Watcher watcher) {
                watcher.endpoints(copy);
            }

            @Override
            public void close() {} // holds nothing

            @Override
            public String toString() {
                return "fixed" + copy;
            }
        };
    }

    /**
     * {@return a source that reads a JSON file, and reads it again every {@link #DEFAULT_FILE_INTERVAL}}
     *
     * <pre>{@code
     * {"endpoints": [
     *   {"url": "http://gpu-1:8000"},
     *   {"id": "big", "url": "http://gpu-2:8000", "weight": 2, "max_concurrency": 64, "generation": "blue",
     *    "models": {"chat": "meta-llama/Llama-3.1-8B"}, "labels": {"zone": "a"}}
     * ]}
     * }</pre>
     *
     * <p>It is read when it is started, and tells before that returns. A file that cannot be read or understood, a field
     * nobody knows included, is told in the log and changes nothing.
     *
     * @param path the file; it may come later
     */
    static EndpointSource file(Path path) {
        return new FileEndpoints(path, DEFAULT_FILE_INTERVAL, null, Ticker.system());
    }

    /**
     * {@return a source as {@link #file(Path)} makes, on another scheduler}
     *
     * @param path the file
     * @param every how often it is looked at, at least 1 ms
     * @param scheduler whose thread reads the file, so it must be one that may block; borrowed
     */
    static EndpointSource file(Path path, Duration every, Scheduler scheduler) {
        return new FileEndpoints(path, every, scheduler, Ticker.system());
    }

    /** What a source tells. Its methods neither block for long nor throw. */
    @FunctionalInterface
    interface Watcher {
        /** The endpoints there should be from now on, all of them. */
        void endpoints(List<EndpointSpec> desired);

        /**
         * What one of the endpoints that were named says of its load.
         *
         * @param id which
         * @param report its time is when it arrives
         */
        default void report(String id, EngineReport report) {}
    }
}
