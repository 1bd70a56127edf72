/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Notices that the program is told to end, and holds it up until the work at hand is saved. */
final class StopSignal implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StopSignal.class);
    private static final long LONGEST_WAIT_SECONDS = 60;

    private final CountDownLatch saved = new CountDownLatch(1);
    private final Thread hook = new Thread(this::hold, "train-interrupt");
    private volatile boolean given;

    private StopSignal() {}

    static StopSignal armed() {
        StopSignal signal = new StopSignal();
        Runtime.getRuntime().addShutdownHook(signal.hook);
        return signal;
    }

    boolean isGiven() {
        return given;
    }

    /** All is saved. */
    @Override
    public void close() {
        saved.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            LOG.debug("too late to disarm: the program ends");
        }
    }

    private void hold() {
        given = true;
        try {
            if (!saved.await(LONGEST_WAIT_SECONDS, TimeUnit.SECONDS)) {
                LOG.warn("ending before the training was saved");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
