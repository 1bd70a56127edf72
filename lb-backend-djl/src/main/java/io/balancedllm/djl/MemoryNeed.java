/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.Device;
import ai.djl.util.cuda.CudaUtils;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What loading a model takes and what there is, so that a model that does not fit is refused before it fills the memory.
 *
 * @param where what kind of memory
 * @param bytes weights and what loading takes beside them; sequences come on top
 * @param available how much there is, empty where this is not told
 */
record MemoryNeed(String where, long bytes, OptionalLong available) {
    private static final double MEGABYTE = 1e6;
    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final Pattern AVAILABLE = Pattern.compile("MemAvailable:\\s*(\\d+) kB");

    /** The weights and one tensor that is turned over. */
    static MemoryNeed onHeap(Gpt2Config config, LayerRange range) {
        long output = range.last() ? (long) config.vocabularySize() * config.width() : 0;
        Runtime runtime = Runtime.getRuntime();
        long free = runtime.maxMemory() - runtime.totalMemory() + runtime.freeMemory();
        return new MemoryNeed(
                "of Java heap (-Xmx)", Float.BYTES * (parameters(config, range) + 2 * output), OptionalLong.of(free));
    }

    /** The weights in all the forms they are kept in, and what is there twice while a tensor is packed. */
    static MemoryNeed inPyTorch(Gpt2Config config, LayerRange range, ScriptLinears linears, TorchRuntime.Place place) {
        long table = (long) config.vocabularySize() * config.width();
        long embedding = range.first() ? table + (long) config.contextLength() * config.width() : 0;
        long output = range.last() ? table : 0;
        long layers = parameters(config, range) - embedding - (outputApart(config, range) ? table : 0);
        long packed = linears.packed() ? layers + output : 0;
        long plain = linears.plain() ? layers + (outputApart(config, range) ? output : 0) : 0;
        long largest = Math.max(table, 2L * config.width() * Math.max(3 * config.width(), config.innerWidth()));
        long packedBytes = linears == ScriptLinears.HALF ? Short.BYTES : place.bytes();
        boolean gpu = place.device().isGpu();
        return new MemoryNeed(
                gpu ? "of memory on " + place.name() : "of memory",
                packedBytes * packed + place.bytes() * (plain + embedding) + Float.BYTES * largest,
                gpu ? onGpu(place.device()) : inMain());
    }

    /** {@return whether this is known to take no more than a share of what there is} */
    boolean fitsInto(double share) {
        return available.isPresent() && bytes <= share * available.getAsLong();
    }

    /**
     * Compares the two.
     *
     * @throws InvalidModelException when there is less than is needed
     */
    void check() {
        if (available.isPresent() && available.getAsLong() < bytes) {
            throw new InvalidModelException("the model does not fit: " + this);
        }
    }

    @Override
    public String toString() {
        String has = available.isPresent() ? Math.round(available.getAsLong() / MEGABYTE) + " MB are there" : "unknown";
        return "loading it takes " + Math.round(bytes / MEGABYTE) + " MB " + where + ", and " + has;
    }

    private static long parameters(Gpt2Config config, LayerRange range) {
        long table = (long) config.vocabularySize() * config.width();
        long layers = config.parameters()
                - table
                - (long) config.contextLength() * config.width()
                - (config.tiedOutput() ? 0 : table);
        long own = layers * range.size() / config.layers();
        return own
                + (range.first() ? table + (long) config.contextLength() * config.width() : 0)
                + (outputApart(config, range) ? table : 0);
    }

    /** {@return whether the matrix to logits is there and is not the embedding} */
    private static boolean outputApart(Gpt2Config config, LayerRange range) {
        return range.last() && !(range.first() && config.tiedOutput());
    }

    private static OptionalLong onGpu(Device device) {
        if (!CudaUtils.hasCuda() || device.getDeviceId() >= CudaUtils.getGpuCount()) {
            return OptionalLong.empty();
        }
        MemoryUsage usage = CudaUtils.getGpuMemory(device);
        return OptionalLong.of(usage.getMax() - usage.getUsed());
    }

    /** What Linux says can be had without swapping, or else what is free. */
    private static OptionalLong inMain() {
        if (Files.isReadable(MEMORY)) {
            try {
                Matcher available = AVAILABLE.matcher(Files.readString(MEMORY));
                if (available.find()) {
                    return OptionalLong.of(Math.min(Long.parseLong(available.group(1)) * 1024, limit()));
                }
            } catch (IOException e) {
                return OptionalLong.empty();
            }
        }
        return OptionalLong.empty();
    }

    /** What the container may have, or else the machine. */
    private static long limit() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getTotalMemorySize()
                : Long.MAX_VALUE;
    }
}
