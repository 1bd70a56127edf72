/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CallOptions;
import org.junit.jupiter.api.Test;

class SessionAffinityTest {
    private final RoutingPolicy policy = RoutingPolicies.sessionAffinity();

    private static FakeCall of(String session) {
        FakeCall call = FakeCall.seeded(5);
        call.options = CallOptions.builder().session(session).build();
        return call;
    }

    @Test
    void aSessionStaysWhereItBegan() {
        FakePool pool = FakePool.of(4);
        String home = policy.pick(of("s"), pool.all()).id();
        pool.get(home.charAt(0) - 'a').inFlight.set(3);

        for (int i = 0; i < 20; i++) {
            assertThat(policy.pick(of("s"), pool.all()).id()).isEqualTo(home);
        }
    }

    @Test
    void aSessionMovesOnceWhenItsEndpointIsNoCandidateAndStaysThere() {
        FakePool pool = FakePool.of(2);
        String home = policy.pick(of("s"), pool.all()).id();
        int other = home.equals("a") ? 1 : 0;

        String moved = policy.pick(of("s"), pool.only(other)).id();
        assertThat(moved).isNotEqualTo(home);
        assertThat(policy.pick(of("s"), pool.all()).id()).isEqualTo(moved);
    }

    @Test
    void anEndpointWithTwiceItsShareIsLeft() {
        FakePool pool = FakePool.of(4);
        FakeEndpoint home = (FakeEndpoint) policy.pick(of("s"), pool.all());
        home.inFlight.set(4);

        assertThat(policy.pick(of("s"), pool.all())).isNotSameAs(home);
    }

    @Test
    void anEndpointThatComesBackUnderTheSameNameIsAnotherOne() {
        FakePool pool = FakePool.of(2);
        FakeEndpoint home = (FakeEndpoint) policy.pick(of("s"), pool.all());
        int at = home.id().charAt(0) - 'a';
        pool.replace(at, home.id());
        pool.get(at).inFlight.set(1);

        assertThat(policy.pick(of("s"), pool.all()).id()).isNotEqualTo(home.id());
    }

    /** The table keeps its size, whatever comes; what is remembered of the last sessions stays right. */
    @Test
    void aMillionSessionsTakeNoMoreMemoryThanTheTable() {
        FakePool pool = FakePool.of(4);
        FakeCall call = FakeCall.seeded(6);
        for (int i = 0; i < 1_000_000; i++) {
            call.options = CallOptions.builder().session("s" + i).build();
            policy.pick(call, pool.all());
        }
        int kept = 0;
        for (int i = 999_000; i < 1_000_000; i++) {
            String before = policy.pick(of("s" + i), pool.all()).id();
            pool.get(before.charAt(0) - 'a').inFlight.set(1); // a new session would go elsewhere
            kept += policy.pick(of("s" + i), pool.all()).id().equals(before) ? 1 : 0;
            pool.get(before.charAt(0) - 'a').inFlight.set(0);
        }
        assertThat(kept).isEqualTo(1_000);
    }
}
