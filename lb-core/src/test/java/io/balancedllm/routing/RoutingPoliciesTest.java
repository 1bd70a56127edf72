/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RoutingPoliciesTest {
    static List<String> names() {
        return RoutingPolicies.names();
    }

    @ParameterizedTest
    @MethodSource("names")
    void aPolicyIsNamedLikeItsMethodAndTellsThatName(String name) {
        assertThat(RoutingPolicies.named(name)).hasToString(name + "()");
    }

    @ParameterizedTest
    @MethodSource("names")
    void eachLookUpMakesANewPolicy(String name) {
        assertThat(RoutingPolicies.named(name)).isNotSameAs(RoutingPolicies.named(name));
    }

    @ParameterizedTest
    @MethodSource("names")
    void aSingleCandidateIsPicked(String name) {
        FakePool pool = FakePool.of(3);

        assertThat(RoutingPolicies.named(name)
                        .pick(FakeCall.seeded(1), pool.only(1))
                        .id())
                .isEqualTo("b");
    }

    @Test
    void everyFactoryMethodWithoutParametersHasAName() {
        List<String> factories = Arrays.stream(RoutingPolicies.class.getMethods())
                .filter(method -> Modifier.isStatic(method.getModifiers()))
                .filter(method -> method.getReturnType() == RoutingPolicy.class && method.getParameterCount() == 0)
                .map(Method::getName)
                .toList();

        assertThat(RoutingPolicies.names()).containsExactlyInAnyOrderElementsOf(factories);
    }

    @Test
    void anUnknownNameIsRefusedWithTheNamesThereAre() {
        assertThatThrownBy(() -> RoutingPolicies.named("round-robin"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("no routing policy is named \"round-robin\"; there are "
                        + String.join(", ", RoutingPolicies.names()));
    }

    /** A count of 40,000 draws at 1/4 has a standard deviation of 87; the bound is 5 of them. */
    @Test
    void randomTakesEveryCandidateAsOftenWhateverItsWeight() {
        FakePool pool = FakePool.withWeights(1, 1, 100, 1);

        Map<String, Integer> counts =
                Picks.counts(RoutingPolicies.random(), FakeCall.seeded(1), i -> pool.all(), 40_000);
        assertThat(counts.values()).hasSize(4).allSatisfy(n -> assertThat(n).isCloseTo(10_000, within(435)));
    }

    @Test
    void randomRepeatsWithItsSeed() {
        Candidates all = FakePool.of(4).all();

        assertThat(Picks.sequence(RoutingPolicies.random(), all, 24))
                .isEqualTo(Picks.sequence(RoutingPolicies.random(), all, 24))
                .isEqualTo("cabbaabcdcaadadcdddbbdba");
    }
}
