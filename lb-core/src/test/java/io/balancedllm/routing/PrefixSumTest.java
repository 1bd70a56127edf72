/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.endpoint.EndpointView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PrefixSumTest {
    private final BatchPlacement policy = (BatchPlacement) RoutingPolicies.prefixSum();

    private static List<RoutingContext> batch(int... tokens) {
        List<RoutingContext> calls = new ArrayList<>();
        for (int prompt : tokens) {
            FakeCall call = FakeCall.with(new NoRandom());
            call.promptTokens = prompt;
            calls.add(call);
        }
        return calls;
    }

    private String place(FakePool pool, int... tokens) {
        EndpointView[] placement = new EndpointView[tokens.length];
        policy.place(batch(tokens), pool.all(), placement);
        StringBuilder ids = new StringBuilder();
        for (EndpointView endpoint : placement) {
            ids.append(endpoint.id());
        }
        return ids.toString();
    }

    @Test
    void equalCallsAreSharedOutInRunsOfNeighbours() {
        assertThat(place(FakePool.of(3), 100, 100, 100, 100, 100, 100)).isEqualTo("aabbcc");
    }

    @Test
    void whatIsPendingAlreadyIsFilledUpToTheSameLevel() {
        FakePool pool = FakePool.of(3);
        pool.get(0).pendingPromptTokens = 300;
        pool.get(1).pendingPromptTokens = 100;

        assertThat(place(pool, 100, 100, 100, 100, 100)).isEqualTo("bbccc");
    }

    @Test
    void aHeavierEndpointTakesMore() {
        assertThat(place(FakePool.withWeights(1, 3), 10, 10, 10, 10)).isEqualTo("abbb");
    }

    /**
     * A call goes where its middle falls, so an endpoint gets at most half a call beyond either side of its part: together
     * one longest call above the level, or above what it had.
     */
    @Test
    void noEndpointGetsMoreThanTheLongestPromptAboveTheLevel() {
        Random random = new Random(1);
        for (int round = 0; round < 2_000; round++) {
            FakePool pool = FakePool.of(2 + random.nextInt(15));
            double[] loads = new double[pool.size()];
            for (int i = 0; i < loads.length; i++) {
                loads[i] = random.nextInt(5_000);
                pool.get(i).pendingPromptTokens = (long) loads[i];
            }
            int[] tokens = new int[1 + random.nextInt(200)];
            Arrays.setAll(tokens, i -> 1 + (int) Math.exp(5 + random.nextGaussian()));
            EndpointView[] placement = new EndpointView[tokens.length];
            policy.place(batch(tokens), pool.all(), placement);

            double total = Arrays.stream(tokens).sum();
            double[] weights = new double[loads.length];
            Arrays.fill(weights, 1);
            double[] rooms = PrefixSum.rooms(loads, weights, total);
            double level = rooms[0] < Double.POSITIVE_INFINITY && rooms[0] > 0
                    ? loads[0] + rooms[0]
                    : (total + Arrays.stream(loads).sum()) / loads.length;
            double[] after = loads.clone();
            for (int i = 0; i < tokens.length; i++) {
                after[placement[i].id().charAt(0) - 'a'] += tokens[i];
            }
            int longest = Arrays.stream(tokens).max().orElseThrow();
            for (int i = 0; i < after.length; i++) {
                if (after[i] > loads[i]) {
                    assertThat(after[i]).isLessThanOrEqualTo(Math.max(level, loads[i]) + longest + 1e-6);
                }
            }
        }
    }

    @Test
    void roomsAddUpToTheTotal() {
        double[] rooms = PrefixSum.rooms(new double[] {0, 50, 400}, new double[] {1, 1, 1}, 150);

        assertThat(rooms[0]).isCloseTo(100, within(1e-9));
        assertThat(rooms[1]).isEqualTo(Double.POSITIVE_INFINITY);
        assertThat(rooms[2]).isEqualTo(Double.POSITIVE_INFINITY);
    }

    @Test
    void aCallAloneGoesWhereTheFewestTokensArePending() {
        FakePool pool = FakePool.of(3);
        pool.get(0).pendingPromptTokens = 10;
        pool.get(2).pendingPromptTokens = 10;

        assertThat(policy.pick(FakeCall.with(new NoRandom()), pool.all()).id()).isEqualTo("b");
    }
}
