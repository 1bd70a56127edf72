/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.time;

import java.time.InstantSource;

/** The time of day, for what outlives the process. Measure durations with a {@link Ticker}: this clock may jump. */
public final class WallClock {
    private WallClock() {}

    /** {@return the clock of the system} */
    public static InstantSource system() {
        return InstantSource.system();
    }
}
