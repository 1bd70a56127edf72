/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.function.DoubleUnaryOperator;
import org.jspecify.annotations.Nullable;

/** What happens to the fleet at one moment: an engine joins, fails, comes back or else leaves. */
record FleetChange(
        double seconds,
        int engine,
        @Nullable DoubleUnaryOperator speed,
        @Nullable Outage outage,
        boolean restart) {}
