/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.time;

/** A monotonic clock. Thread-safe. Injected wherever time is measured, so that tests move it by hand. */
@FunctionalInterface
public interface Ticker {
    /** {@return nanoseconds since an arbitrary, fixed point; only differences mean something} */
    long nanos();

    /** {@return the clock of the Java virtual machine} */
    static Ticker system() {
        return System::nanoTime;
    }
}
