/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.JniUtils;
import com.sun.jna.Function;
import com.sun.jna.Platform;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Loads PyTorch into this process once, offline and without telemetry. */
final class TorchRuntime {
    private static final Logger LOG = LoggerFactory.getLogger(TorchRuntime.class);
    private static final String ENGINE = "PyTorch";

    private TorchRuntime() {}

    /**
     * Where and with which numbers PyTorch computes.
     *
     * @param threads how many threads it uses within one operation, in the whole process
     */
    record Place(Device device, Precision precision, int threads) {
        static Place of(KernelOptions options) {
            Device device = Device.fromName(options.device());
            if (!device.isGpu() && options.precision() != Precision.FP32) {
                throw new InvalidModelException("precision is " + options.precision() + ", but " + options.device()
                        + " computes in FP32 only: set FP32, or a GPU as the device");
            }
            return new Place(device, options.precision(), options.threads());
        }

        /** {@return whether tensors lie here as they are read} */
        boolean plain() {
            return !device.isGpu() && precision == Precision.FP32;
        }

        String name() {
            return device.isGpu() ? "gpu" + device.getDeviceId() : KernelOptions.CPU;
        }

        int bytes() {
            return precision == Precision.FP32 ? Float.BYTES : Short.BYTES;
        }

        /** {@return PyTorch's number of the type} */
        long scalarType() {
            return switch (precision) {
                case FP32 -> 6;
                case FP16 -> 5;
                case BF16 -> 15;
            };
        }
    }

    /**
     * Opens a manager.
     *
     * @throws InvalidModelException where PyTorch's native libraries are missing or do not load, or the device is not there
     */
    static PtNDManager open(Place place) {
        Engine engine = load(place.threads());
        int gpus = place.device().isGpu() ? engine.getGpuCount() : 0;
        if (place.device().isGpu() && place.device().getDeviceId() >= gpus) {
            throw new InvalidModelException(
                    place.name() + " is not there: PyTorch sees " + gpus
                            + " GPUs. It needs a driver and a libtorch built for CUDA: set the environment variables"
                            + " PYTORCH_LIBRARY_PATH to its directory lib, PYTORCH_VERSION to 2.7.1 and PYTORCH_FLAVOR to cu128");
        }
        return (PtNDManager) NDManager.newBaseManager(place.device(), ENGINE);
    }

    /** {@return how many GPUs PyTorch sees} */
    static int gpus() {
        return load(1).getGpuCount();
    }

    /**
     * Computes without recording gradients and without optimising programs while they run, both of which PyTorch does on
     * every new thread unless told not to.
     */
    static <T> T computing(Supplier<T> work) {
        boolean gradients = JniUtils.isGradMode();
        JniUtils.setGradMode(false);
        JniUtils.setGraphExecutorOptimize(false);
        try {
            return work.get();
        } finally {
            JniUtils.setGradMode(gradients);
        }
    }

    private static synchronized Engine load(int threads) {
        configure();
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(TorchRuntime.class.getClassLoader());
        try {
            Engine engine = Engine.getEngine(ENGINE);
            JniUtils.setNumThreads(threads);
            return engine;
        } catch (RuntimeException | LinkageError e) {
            throw new InvalidModelException(
                    "PyTorch does not load (" + e.getMessage() + "): add ai.djl.pytorch:pytorch-native-cpu for this"
                            + " platform to the class path",
                    e);
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    /** What DJL and OpenMP read once, when they load; settings of the user stay. */
    private static void configure() {
        if (System.getProperty("ai.djl.offline") == null) {
            System.setProperty("ai.djl.offline", "true");
        }
        if (System.getProperty("OPT_OUT_TRACKING") == null) {
            System.setProperty("OPT_OUT_TRACKING", "true");
        }
        if (Platform.isLinux() || Platform.isMac()) {
            try {
                // Spinning OpenMP threads take the cores of everyone else: a median step of 48 ms instead of 1.4 ms.
                Object[] keepExisting = {"OMP_WAIT_POLICY", "PASSIVE", 0};
                Function.getFunction("c", "setenv").invokeInt(keepExisting);
            } catch (LinkageError e) {
                LOG.debug("OMP_WAIT_POLICY cannot be set", e);
            }
        }
    }
}
