/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import java.io.IOException;

/** A balancer under test. Thread-safe. */
interface Contender extends AutoCloseable {
    /** Sends a request and waits for its end. */
    Outcome send(String prompt, boolean streaming);

    /** Makes the names it looks up fail, where it looks up any. */
    default void dnsFails(boolean fails) {}

    @Override
    void close() throws IOException;

    /** Makes contenders, one for each run. */
    @FunctionalInterface
    interface Maker {
        Contender make() throws IOException;
    }
}
