/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.routing.HashKey;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.testkit.RoutingPolicyContract;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Every policy of the library under the contract of all policies. */
class RoutingPoliciesContractTest {
    @Nested
    class LeastConnections extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.leastConnections();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.BY_WEIGHT;
        }
    }

    @Nested
    class LeastPendingPromptTokens extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.leastPendingPromptTokens();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.BY_WEIGHT;
        }
    }

    @Nested
    class PrefixAffinity extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.prefixAffinity();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.EQUAL;
        }
    }

    @Nested
    class FavourTimeToFirstToken extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.favourTimeToFirstToken();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.EQUAL;
        }
    }

    @Nested
    class FavourCompletionTime extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.favourCompletionTime();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.EQUAL;
        }
    }

    @Nested
    class LeastLoaded extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.leastLoaded();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.BY_WEIGHT;
        }
    }

    @Nested
    class SessionAffinity extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.sessionAffinity();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.BY_WEIGHT;
        }
    }

    @Nested
    class PrefixSum extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.prefixSum();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.BY_WEIGHT;
        }
    }

    @Nested
    class ConsistentHash extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.consistentHash(HashKey.SESSION);
        }

        @Override
        protected Fairness fairness() {
            return Fairness.BY_WEIGHT;
        }
    }

    @Nested
    class BoundedLoadHash extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.boundedLoadHash(HashKey.SESSION);
        }

        @Override
        protected Fairness fairness() {
            return Fairness.BY_WEIGHT;
        }
    }

    @Nested
    class SloAware extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.sloAware(Duration.ofSeconds(1));
        }

        @Override
        protected Fairness fairness() {
            return Fairness.EQUAL;
        }
    }

    @Nested
    class CostAware extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.costAware(Map.of("e1", 0.2, "e2", 0.1));
        }
    }

    @Nested
    class Canary extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.canary(RoutingPolicies.roundRobin(), RoutingPolicies.prefixAffinity(), 0.5);
        }
    }

    @Nested
    class Shadow extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.shadow(RoutingPolicies.roundRobin(), RoutingPolicies.prefixAffinity());
        }

        @Override
        protected Fairness fairness() {
            return Fairness.EQUAL;
        }
    }

    @Nested
    class PowerOfTwoChoices extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.powerOfTwoChoices();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.EQUAL;
        }
    }

    @Nested
    class RoundRobin extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.roundRobin();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.EQUAL;
        }
    }

    @Nested
    class WeightedRoundRobin extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.weightedRoundRobin();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.BY_WEIGHT;
        }
    }

    @Nested
    class UniformRandom extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return RoutingPolicies.random();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.EQUAL;
        }
    }

    @Test
    void noPolicyIsLeftOut() {
        List<String> tested = Stream.of(RoutingPoliciesContractTest.class.getDeclaredClasses())
                .map(test -> test.getSimpleName().toLowerCase(Locale.ROOT))
                .toList();
        assertThat(RoutingPolicies.class.getMethods())
                .filteredOn(method -> method.getReturnType() == RoutingPolicy.class)
                .extracting(method -> method.getName().toLowerCase(Locale.ROOT))
                .filteredOn(name -> !name.equals("named") && !name.equals("random"))
                .isSubsetOf(tested);
    }
}
