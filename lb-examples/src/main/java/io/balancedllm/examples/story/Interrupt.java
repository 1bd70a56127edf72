/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.story;

import io.balancedllm.completion.CompletionStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Cancels a generation when the program is told to end: the endpoint shall not go on writing for nobody. */
final class Interrupt {
    private static final Logger LOG = LoggerFactory.getLogger(Interrupt.class);

    private final Thread hook;

    private Interrupt(Thread hook) {
        this.hook = hook;
    }

    static Interrupt closing(CompletionStream stream) {
        Thread hook = new Thread(stream::close, "story-interrupt");
        Runtime.getRuntime().addShutdownHook(hook);
        return new Interrupt(hook);
    }

    void disarm() {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            LOG.debug("too late to disarm: the interrupt is at work");
        }
    }
}
