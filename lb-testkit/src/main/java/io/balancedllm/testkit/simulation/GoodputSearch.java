/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.routing.RoutingPolicy;
import java.util.function.Function;

/** The bisection for the highest rate at which enough requests of a simulation are good. */
final class GoodputSearch {
    // What is tried, in parts of load 1.
    private static final double LOW = 0.05;
    private static final double HIGH = 3.5;
    private static final double FIRST = 0.8;
    private static final double PRECISION = 0.01;

    private final Simulation.Builder simulation;
    private final Function<SimulatedFleet, RoutingPolicy> policy;
    private final Slo slo;
    private final long seed;

    GoodputSearch(Simulation.Builder simulation, Function<SimulatedFleet, RoutingPolicy> policy, Slo slo, long seed) {
        this.simulation = simulation;
        this.policy = policy;
        this.slo = slo;
        this.seed = seed;
    }

    /** {@return requests a second} */
    double around(double load1) {
        double low = LOW * load1;
        double high = HIGH * load1;
        for (double rate = FIRST * load1; high - low >= PRECISION * load1; rate = (low + high) / 2) {
            if (isGood(rate)) {
                low = rate;
            } else {
                high = rate;
            }
        }
        return low;
    }

    private boolean isGood(double rate) {
        Simulation tried = simulation.rate(rate).build();
        SimulationRun run = new SimulationRun(tried, policy, seed);
        SimulationResult unused = run.run();
        return run.measurements().share(slo, tried.warmUp) >= slo.share();
    }
}
