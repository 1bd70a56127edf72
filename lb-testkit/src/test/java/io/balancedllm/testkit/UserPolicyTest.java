/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static java.util.Comparator.comparingDouble;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Policies as a user writes them, under the contract. */
class UserPolicyTest {
    private record Cheapest(Map<String, Double> price) implements RoutingPolicy {
        @Override
        public EndpointView pick(RoutingContext call, Candidates candidates) {
            return Collections.min(candidates, comparingDouble(this::priceOf));
        }

        private double priceOf(EndpointView endpoint) {
            return price.getOrDefault(endpoint.id(), 1.0);
        }
    }

    private record WeightedRandom() implements RoutingPolicy {
        @Override
        public EndpointView pick(RoutingContext call, Candidates candidates) {
            double total = candidates.stream().mapToDouble(EndpointView::weight).sum();
            double left = call.random().nextDouble() * total;
            for (EndpointView endpoint : candidates) {
                left -= endpoint.weight();
                if (left < 0) {
                    return endpoint;
                }
            }
            return candidates.get(candidates.size() - 1);
        }
    }

    @Nested
    class ACheapestPolicy extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return new Cheapest(Map.of("e2", 0.5));
        }

        @Test
        void takesTheCheapestThatIsLeft() {
            FakeCandidates pool = FakeCandidates.idle(4);
            assertThat(createPolicy().pick(new FakeRoutingContext(), pool).id()).isEqualTo("e2");
            FakeCandidates left = pool.filter(e -> !e.id().equals("e2"));
            assertThat(createPolicy().pick(new FakeRoutingContext(), left).id()).isEqualTo("e0");
        }
    }

    @Nested
    class AWeightedRandomPolicy extends RoutingPolicyContract {
        @Override
        protected RoutingPolicy createPolicy() {
            return new WeightedRandom();
        }

        @Override
        protected Fairness fairness() {
            return Fairness.BY_WEIGHT;
        }
    }

    @Test
    void filteredCandidatesKeepTheirPlacesInThePool() {
        FakeCandidates left =
                FakeCandidates.idle(5).filter(e -> !e.id().equals("e0")).filter(e -> !e.id().equals("e3"));
        assertThat(left.stream().map(EndpointView::id)).containsExactly("e1", "e2", "e4");
        assertThat(List.of(left.ordinal(0), left.ordinal(1), left.ordinal(2))).containsExactly(1, 2, 4);
        assertThat(left.poolSize()).isEqualTo(5);
    }
}
