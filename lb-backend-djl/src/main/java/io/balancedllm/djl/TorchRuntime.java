/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import com.sun.jna.Function;
import com.sun.jna.Platform;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Loads PyTorch into this process once, offline and without telemetry. */
final class TorchRuntime {
    private static final Logger LOG = LoggerFactory.getLogger(TorchRuntime.class);
    private static final String ENGINE = "PyTorch";

    private TorchRuntime() {}

    /**
     * Opens a manager on the CPU.
     *
     * @param threads how many threads PyTorch uses within one operation, in the whole process
     * @throws InvalidModelException where PyTorch's native libraries are missing or do not load
     */
    static synchronized NDManager open(int threads) {
        configure();
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(TorchRuntime.class.getClassLoader());
        try {
            Engine.getEngine(ENGINE);
            JniUtils.setNumThreads(threads);
            JniUtils.setGraphExecutorOptimize(false);
            return NDManager.newBaseManager(Device.cpu(), ENGINE);
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
