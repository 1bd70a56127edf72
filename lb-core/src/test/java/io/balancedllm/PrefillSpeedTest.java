/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.util.Random;
import org.junit.jupiter.api.Test;

class PrefillSpeedTest {
    private static final double A = 1.2e-4;
    private static final double B = 6e-5;

    private final PrefillSpeed speed = new PrefillSpeed();
    private final PrefillSpeed.EndpointSpeed[] endpoints = {speed.join(), speed.join(), speed.join(), speed.join()};

    private void teach(int periods, double... factors) {
        Random random = new Random(2);
        for (int i = 0; i < periods; i++) {
            int endpoint = i % factors.length;
            double tokens = 500 + random.nextInt(20_000);
            double attention = PromptWork.attention(tokens, random.nextInt(10_000));
            double noise = 1 + 0.1 * random.nextGaussian();
            double seconds = factors[endpoint] * A * (tokens + B * attention) * noise;
            speed.learn(endpoints[endpoint], seconds, tokens, attention);
        }
    }

    /** 400 periods with 10 % noise each leave about half a percent; the prior pulls b a little. */
    @Test
    void learnsSecondsAndAttentionFromAStartThatIsFourTimesTooFast() {
        teach(400, 1, 1, 1, 1);

        assertThat(speed.secondsPerToken()).isCloseTo(A, withinPercentage(8));
        assertThat(speed.attentionShare()).isCloseTo(B, withinPercentage(25));
    }

    @Test
    void equalEndpointsAreLearnedAsExactlyEqual() {
        teach(400, 1, 1, 1, 1);

        assertThat(endpoints)
                .allSatisfy(endpoint -> assertThat(endpoint.factor()).isEqualTo(1));
    }

    @Test
    void anEndpointOfHalfTheSpeedIsLearnedAsSuch() {
        teach(400, 2, 1, 1, 1);

        assertThat(endpoints[0].factor()).isBetween(1.7, 2.1);
        assertThat(endpoints[1].factor()).isEqualTo(1);
    }

    @Test
    void oneAbsurdPeriodPullsNoMoreThanThreeTimesItsWork() {
        teach(400, 1, 1, 1, 1);
        double before = speed.secondsPerToken();
        speed.learn(endpoints[0], 1e9, 5_000, 1e7);

        assertThat(speed.secondsPerToken()).isCloseTo(before, withinPercentage(5));
        assertThat(endpoints[0].factor()).isCloseTo(1, within(0.3));
    }

    @Test
    void shortPeriodsAndClocksThatStandStillTeachNothing() {
        speed.learn(endpoints[0], 5, 500, 0);
        speed.learn(endpoints[0], 0, 50_000, 0);
        speed.learn(endpoints[0], Double.NaN, 50_000, 0);

        assertThat(speed.secondsPerToken()).isEqualTo(PrefillSpeed.INITIAL_SECONDS_PER_TOKEN);
        assertThat(speed.attentionShare()).isEqualTo(PrefillSpeed.INITIAL_ATTENTION_SHARE);
    }

    @Test
    void anEndpointThatLeftNoLongerCounts() {
        teach(400, 1, 1, 1, 1);
        for (int i = 1; i < 4; i++) {
            speed.leave(endpoints[i]);
        }
        for (int i = 0; i < 200; i++) {
            speed.learn(endpoints[0], 3 * A * 10_000, 10_000, 0);
        }
        assertThat(speed.secondsPerToken()).isCloseTo(3 * A, withinPercentage(15));
    }
}
