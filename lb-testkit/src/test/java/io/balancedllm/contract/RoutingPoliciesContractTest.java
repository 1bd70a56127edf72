/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.testkit.RoutingPolicyContract;
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
        assertThat(RoutingPolicies.names()).hasSize(RoutingPoliciesContractTest.class.getDeclaredClasses().length);
    }
}
