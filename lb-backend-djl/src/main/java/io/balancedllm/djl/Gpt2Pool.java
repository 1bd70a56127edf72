/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.prefix.PromptEncoder;
import io.balancedllm.time.Ticker;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Several backends of one model in this process, on any mixture of GPUs and the CPU. Those on one device share one copy of
 * the weights; each has its own thread, KV memory and queue, and is an ordinary endpoint. What waits at one while another
 * has room moves there.
 *
 * <pre>{@code
 * Gpt2Pool gpus = Gpt2Pool.onAllGpus(directory);
 * BalancedLlm.Builder builder = BalancedLlm.builder().endpoint("remote", OpenAiBackend.at("http://gpu-7:8000"));
 * gpus.endpoints().forEach(builder::endpoint);
 * }</pre>
 *
 * <p>A model is exchanged while calls run by {@link io.balancedllm.EndpointPool#replace} with an endpoint of the same id
 * over a new backend: the old one ends what it has and is closed then. Thread-safe.
 */
public final class Gpt2Pool implements AutoCloseable {
    private final String modelName;
    private final List<Gpt2Backend> backends;

    private Gpt2Pool(String modelName, List<Gpt2Backend> backends) {
        this.modelName = modelName;
        this.backends = List.copyOf(backends);
    }

    /**
     * Serves a model with all defaults on every GPU that PyTorch sees.
     *
     * @param directory a Hugging Face GPT-2 directory
     * @return a running pool
     * @throws InvalidModelException when the model cannot be loaded, or there is no GPU
     */
    public static Gpt2Pool onAllGpus(Path directory) {
        return builder(directory).allGpus().build();
    }

    /**
     * Serves a model with all defaults on the CPU.
     *
     * @param directory a Hugging Face GPT-2 directory
     * @param count how many backends; as many as there are cores to spare
     * @return a running pool
     * @throws InvalidModelException when the model cannot be loaded
     */
    public static Gpt2Pool cpuReplicas(Path directory, int count) {
        return builder(directory).replicas("cpu", count).build();
    }

    /** {@return a builder of a pool of the model in this directory} */
    public static Builder builder(Path directory) {
        return new Builder(directory);
    }

    /** {@return a builder of a pool of the story model in this jar} */
    public static Builder builder() {
        return new Builder(null);
    }

    /** {@return the backends, for wrapping them or naming their endpoints oneself} */
    public List<Gpt2Backend> backends() {
        return backends;
    }

    /** {@return an endpoint for each backend, named after model, device and place: {@code gpt2-cpu-1}} */
    public List<Endpoint> endpoints() {
        List<Endpoint> endpoints = new ArrayList<>();
        Map<String, Integer> counts = new HashMap<>();
        for (Gpt2Backend backend : backends) {
            String device = backend.model().kernel().device();
            int number = counts.merge(device, 1, Integer::sum);
            endpoints.add(Endpoint.builder(modelName + "-" + device + "-" + number, backend)
                    .label("device", device)
                    .build());
        }
        return endpoints;
    }

    /** {@return an encoder that sees prompts as all backends of this pool do; see {@link Gpt2Backend#promptEncoder}} */
    public PromptEncoder promptEncoder(String... names) {
        return backends.get(0).promptEncoder(names);
    }

    /** Closes all backends. Not needed where a balancer that has their endpoints is closed. Idempotent. */
    @Override
    public void close() {
        backends.forEach(Gpt2Backend::close);
    }

    @Override
    public String toString() {
        return "Gpt2Pool" + backends;
    }

    /** Builds a {@link Gpt2Pool}. Not thread-safe. */
    public static final class Builder {
        private final @Nullable Path directory;
        private final List<String> devices = new ArrayList<>();
        private Consumer<Gpt2Backend.Builder> settings = backend -> {};
        private boolean allGpus;

        private Builder(@Nullable Path directory) {
            this.directory = directory;
        }

        /**
         * Adds backends on one device: {@code cpu}, {@code gpu0}, {@code gpu1}, ... Two on one GPU make sense where one
         * does not keep it busy.
         *
         * @param count at least 1
         */
        public Builder replicas(String device, int count) {
            if (count < 1) {
                throw new IllegalArgumentException("count must be at least 1, got " + count);
            }
            for (int i = 0; i < count; i++) {
                devices.add(device);
            }
            return this;
        }

        /** Adds a backend on every GPU that PyTorch sees. */
        public Builder allGpus() {
            allGpus = true;
            return this;
        }

        /** Says how each backend is set up, but for its device: limits, memory, precision. */
        public Builder each(Consumer<Gpt2Backend.Builder> settings) {
            this.settings = settings;
            return this;
        }

        /**
         * Loads the model on each device and starts the engines.
         *
         * @return a running pool
         * @throws InvalidModelException when the model cannot be loaded, or a device is not there
         * @throws IllegalStateException when no device was named
         */
        public Gpt2Pool build() {
            Gpt2Pool pool = buildStopped(Ticker.system());
            pool.backends.forEach(Gpt2Backend::start);
            return pool;
        }

        /** Leaves the engines to be stepped by hand. */
        Gpt2Pool buildStopped(Ticker ticker) {
            List<String> all = new ArrayList<>(devices);
            if (allGpus) {
                all.addAll(gpus());
            }
            if (all.isEmpty()) {
                throw new IllegalStateException("name devices by replicas(...) or allGpus()");
            }
            EnginePeers peers = new EnginePeers();
            Map<String, Gpt2Backend> first = new HashMap<>();
            List<Gpt2Backend> backends = new ArrayList<>();
            String name = "";
            try {
                for (String device : all) {
                    Gpt2Backend.Builder builder =
                            directory == null ? Gpt2Backend.builder() : Gpt2Backend.builder(directory);
                    settings.accept(builder);
                    builder.device(device);
                    name = builder.settings().name();
                    Gpt2Backend sharing = first.get(device);
                    Gpt2Model model = sharing == null
                            ? builder.settings().load()
                            : sharing.model().replica();
                    Gpt2Backend backend = builder.settings().over(model, ticker);
                    backends.add(backend);
                    first.putIfAbsent(device, backend);
                    backend.engine().join(peers);
                }
            } catch (RuntimeException e) {
                backends.forEach(Gpt2Backend::close);
                throw e;
            }
            return new Gpt2Pool(name, backends);
        }

        private static List<String> gpus() {
            int count = Math.max(1, TorchRuntime.gpus()); // where there is none, the first one says what it needs
            List<String> devices = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                devices.add("gpu" + i);
            }
            return devices;
        }
    }
}
