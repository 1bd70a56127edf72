/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** One thing a {@link MockResponse} does after its head. */
sealed interface BodyStep {
    /** {@return whether this is an event whose text contains the needle} */
    default boolean contains(String needle) {
        return false;
    }

    /** Sends bytes. */
    final class Write implements BodyStep {
        final byte[] bytes;

        Write(byte[] bytes) {
            this.bytes = bytes.clone();
        }

        Write(String text) {
            this(text.getBytes(StandardCharsets.UTF_8));
        }

        @Override
        public boolean contains(String needle) {
            return new String(bytes, StandardCharsets.UTF_8).contains(needle);
        }
    }

    /** Sends the same bytes again and again until the client goes away. */
    final class Endless implements BodyStep {
        final Write event;
        final Duration pause;

        Endless(Write event, Duration pause) {
            this.event = event;
            this.pause = pause;
        }
    }

    /** Waits. */
    record Pause(Duration duration) implements BodyStep {}

    /** Waits until released, or the client goes away. */
    record Stall() implements BodyStep {}

    /** Starts the clock of {@link ServedRequest#cancelledAfter}. */
    record Mark() implements BodyStep {}

    /** Closes the connection without the end of the message. */
    record HangUp() implements BodyStep {}

    /** Resets the connection. */
    record Reset() implements BodyStep {}
}
