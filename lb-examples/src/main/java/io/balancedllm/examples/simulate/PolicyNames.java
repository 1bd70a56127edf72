/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.simulate;

import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.testkit.simulation.Rivals;
import io.balancedllm.testkit.simulation.SimulatedFleet;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.function.Function;

/** The policies a simulation can run, by name: those of the library and their rivals. What {@code --help} lists, too. */
public final class PolicyNames implements Iterable<String> {
    /** For the option that lists them. */
    public PolicyNames() {}

    /** {@return all names, the library's own first} */
    public static List<String> all() {
        List<String> names = new ArrayList<>(RoutingPolicies.names());
        names.addAll(Rivals.names());
        return List.copyOf(names);
    }

    /** {@return what a simulation makes the policy with} */
    public static Function<SimulatedFleet, RoutingPolicy> policy(String name) {
        if (RoutingPolicies.names().contains(name)) {
            return fleet -> RoutingPolicies.named(name);
        }
        return Rivals.named(name);
    }

    /** {@return the first of these names that nobody knows, or an empty string} */
    public static String firstUnknown(Collection<String> names) {
        return names.stream().filter(name -> !all().contains(name)).findFirst().orElse("");
    }

    @Override
    public Iterator<String> iterator() {
        return all().iterator();
    }
}
