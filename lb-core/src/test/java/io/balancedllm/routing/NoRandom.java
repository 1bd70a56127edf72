/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import java.util.random.RandomGenerator;

/** Fails a test that draws a random number. */
final class NoRandom implements RandomGenerator {
    @Override
    public long nextLong() {
        throw new AssertionError("drew a random number though there was nothing to decide");
    }
}
