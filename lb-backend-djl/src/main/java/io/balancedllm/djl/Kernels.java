/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.engine.EngineException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Chooses the kernel for a model, and checks it before it serves. */
final class Kernels {
    /**
     * Up to this many parameters a model runs in plain Java: there the cost of calling native operations exceeds what
     * they save, and nothing has to be unpacked and loaded before the first token.
     */
    static final long PLAIN_JAVA_PARAMETERS = 8_000_000;

    /** From this many parameters on, packing matrices for oneDNN saves more than its dispatch costs. */
    static final long ONE_DNN_PARAMETERS = 20_000_000;

    /**
     * Matrices are kept for oneDNN and plain where both take no more than this share of the memory there is: the rest is for
     * sequences and for others.
     */
    static final double SHARE_FOR_BOTH = 0.5;

    private static final Logger LOG = LoggerFactory.getLogger(Kernels.class);

    private Kernels() {}

    /** Tries a kernel out. */
    @FunctionalInterface
    interface Probe {
        /** {@return why it cannot be used, or null if it can} */
        @Nullable
        String failure(ScriptLinears linears);
    }

    /**
     * Loads weights into a kernel.
     *
     * @throws InvalidModelException when what was asked for cannot be had, or does not fit into memory
     */
    static Kernel load(Gpt2Config config, Checkpoint checkpoint, KernelOptions options) {
        return load(config, checkpoint, options, linears -> failure(config, linears, options));
    }

    /** Loads weights into the first kernel for which the probe has nothing to say. */
    static Kernel load(Gpt2Config config, Checkpoint checkpoint, KernelOptions options, Probe probe) {
        LayerRange range = options.layers(config);
        boolean automatic = options.choice() == KernelChoice.AUTOMATIC && !isGpu(options);
        List<String> failures = new ArrayList<>();
        List<ScriptLinears> candidates = candidates(config, checkpoint, options);
        for (ScriptLinears linears : candidates) {
            TorchRuntime.Place place = TorchRuntime.Place.of(options);
            MemoryNeed need = MemoryNeed.inPyTorch(config, range, linears, place);
            need.check();
            String failure = probe.failure(linears);
            if (failure == null) {
                return script(config, checkpoint, range, linears, place, need);
            }
            if (!automatic && linears == candidates.get(candidates.size() - 1)) {
                throw new InvalidModelException("The kernel " + linears.title() + " cannot be used: " + failure);
            }
            if (!failures.contains(failure)) {
                LOG.warn("The kernel {} cannot be used, the next is tried: {}", linears.title(), failure);
                failures.add(failure);
            }
        }
        if (isGpu(options)) {
            throw new InvalidModelException(
                    failures.isEmpty()
                            ? "plain Java does not compute on " + options.device()
                                    + ": choose another kernel, or cpu as the device"
                            : String.join("; ", failures));
        }
        MemoryNeed.onHeap(config, range).check();
        return new JavaKernel(config, checkpoint, range);
    }

    private static List<ScriptLinears> candidates(Gpt2Config config, Checkpoint checkpoint, KernelOptions options) {
        return switch (options.choice()) {
            case PLAIN_JAVA -> List.of();
            case SCRIPT -> List.of(ScriptLinears.PLAIN);
            case ONE_DNN -> isGpu(options) ? List.of(ScriptLinears.ONE_DNN) : oneDnn(config, options);
            case HALF_WEIGHTS -> List.of(ScriptLinears.HALF);
            case AUTOMATIC -> isGpu(options) ? List.of(ScriptLinears.PLAIN) : automatic(config, checkpoint, options);
        };
    }

    private static List<ScriptLinears> automatic(Gpt2Config config, Checkpoint checkpoint, KernelOptions options) {
        List<ScriptLinears> candidates = new ArrayList<>();
        if (config.parameters() > PLAIN_JAVA_PARAMETERS) {
            if (checkpoint.storedAs("F16")) {
                candidates.add(ScriptLinears.HALF);
            }
            if (config.parameters() >= ONE_DNN_PARAMETERS) {
                candidates.addAll(oneDnn(config, options));
            }
            candidates.add(ScriptLinears.PLAIN);
        }
        return candidates;
    }

    /** Plain matrices beside pay with one thread only: PyTorch does not share one row by a matrix among threads. */
    private static List<ScriptLinears> oneDnn(Gpt2Config config, KernelOptions options) {
        if (options.threads() > 1) {
            return List.of(ScriptLinears.ONE_DNN);
        }
        MemoryNeed both = MemoryNeed.inPyTorch(
                config, options.layers(config), ScriptLinears.ONE_DNN_AND_PLAIN, TorchRuntime.Place.of(options));
        if (both.fitsInto(SHARE_FOR_BOTH)) {
            return List.of(ScriptLinears.ONE_DNN_AND_PLAIN, ScriptLinears.ONE_DNN);
        }
        LOG.info(
                "Matrices are kept for oneDNN only, which makes one sequence slower: with plain ones beside, {}", both);
        return List.of(ScriptLinears.ONE_DNN);
    }

    private static boolean isGpu(KernelOptions options) {
        return !options.device().equals(KernelOptions.CPU);
    }

    /** {@return why a kernel cannot be used, or null if it computes what plain Java does} */
    private static @Nullable String failure(Gpt2Config config, ScriptLinears linears, KernelOptions options) {
        try {
            TorchRuntime.Place place = TorchRuntime.Place.of(options);
            if (isGpu(options) && linears != ScriptLinears.PLAIN) {
                return "it does not compute on " + options.device();
            }
            double difference = SelfCheck.difference(config, drawn -> {
                LayerRange all = LayerRange.all(SelfCheck.miniature(config));
                return new ScriptKernel(SelfCheck.miniature(config), drawn, all, linears, place);
            });
            boolean coarse = linears == ScriptLinears.HALF || options.precision() != Precision.FP32;
            double tolerance = coarse ? SelfCheck.COARSE_TOLERANCE : SelfCheck.TOLERANCE;
            return difference <= tolerance
                    ? null
                    : String.format(
                            Locale.ROOT,
                            "its logits differ from those of plain Java by %.1e of the greatest",
                            difference);
        } catch (InvalidModelException e) {
            return e.getMessage();
        } catch (EngineException e) {
            return "PyTorch says: " + firstLine(e);
        }
    }

    private static Kernel script(
            Gpt2Config config,
            Checkpoint checkpoint,
            LayerRange range,
            ScriptLinears linears,
            TorchRuntime.Place place,
            MemoryNeed need) {
        try {
            return new ScriptKernel(config, checkpoint, range, linears, place);
        } catch (EngineException e) {
            throw new InvalidModelException(
                    "PyTorch cannot load the model on " + place.name() + " (" + firstLine(e) + "); " + need, e);
        }
    }

    private static String firstLine(EngineException e) {
        return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    }
}
