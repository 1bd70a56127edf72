/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.time;

import java.util.concurrent.ThreadLocalRandom;
import java.util.random.RandomGenerator;

/** Where random numbers come from when nobody injects a seeded generator. */
public final class RandomSource {
    private RandomSource() {}

    /** {@return a thread-safe generator without contention, seeded by the system} */
    public static RandomGenerator system() {
        return new RandomGenerator() {
            @Override
            public long nextLong() {
                return ThreadLocalRandom.current().nextLong();
            }

            @Override
            public int nextInt(int bound) {
                return ThreadLocalRandom.current().nextInt(bound);
            }
        };
    }
}
