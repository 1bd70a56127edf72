/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import io.balancedllm.time.Ticker;

/** As many bytes as a model's weights, and how long it takes one thread to add them up. */
interface MemoryRead extends AutoCloseable {
    long bytes();

    /** {@return the duration of one reading} */
    long nanos(Ticker ticker);

    @Override
    void close();

    /** {@return bytes on the Java heap, read in Java, or in PyTorch's memory, read by it} */
    static MemoryRead of(long bytes, boolean java, int threads) {
        return java ? new InJava(new int[(int) (bytes / Integer.BYTES)]) : new InPyTorch(bytes, threads);
    }

    /** Ints: their sums are vectorised, those of floats not. */
    final class InJava implements MemoryRead {
        private final int[] values;
        private int sum;

        InJava(int[] values) {
            this.values = values;
        }

        @Override
        public long bytes() {
            return (long) Integer.BYTES * values.length;
        }

        @Override
        public long nanos(Ticker ticker) {
            long start = ticker.nanos();
            sum += sum();
            return ticker.nanos() - start;
        }

        private int sum() {
            int total = 0;
            for (int value : values) {
                total += value;
            }
            return total;
        }

        @Override
        public void close() {
            // Nothing outside of the heap.
        }

        @Override
        public String toString() {
            return "sum " + sum;
        }
    }

    /** A sum of floats, by one thread whatever others use. */
    final class InPyTorch implements MemoryRead {
        private final NDManager manager;
        private final NDArray values;
        private final int threads;

        InPyTorch(long bytes, int threads) {
            this.threads = threads;
            manager = TorchRuntime.open(new TorchRuntime.Place(Device.cpu(), Precision.FP32, threads));
            values = manager.ones(new Shape(bytes / Float.BYTES));
        }

        @Override
        public long bytes() {
            return Float.BYTES * values.size();
        }

        @Override
        public long nanos(Ticker ticker) {
            JniUtils.setNumThreads(1);
            long start = ticker.nanos();
            try (NDArray sum = values.sum()) {
                sum.getFloat();
            }
            long nanos = ticker.nanos() - start;
            JniUtils.setNumThreads(threads);
            return nanos;
        }

        @Override
        public void close() {
            manager.close();
        }
    }
}
