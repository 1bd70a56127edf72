/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.AttemptEvent;
import io.balancedllm.routing.RoutingPolicy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * What every {@link RoutingPolicy} must hold to. Extend it and your policy is tested:
 *
 * <pre>{@code
 * class CheapestTest extends RoutingPolicyContract {
 *     protected RoutingPolicy createPolicy() { return new Cheapest(Map.of("e0", 0.1)); }
 * }
 * }</pre>
 */
public abstract class RoutingPolicyContract {
    /** Picks of a statistical test. */
    private static final int PICKS = 16_000;

    /** The largest pool the contract asks about. */
    private static final int LARGEST_POOL = 64;

    /** Standard deviations allowed; 5 of them are exceeded once in 1.7 million fair runs, and the seeds are fixed. */
    private static final double SIGMAS = 5;

    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** How a policy shares idle, equal endpoints out among calls that have nothing to do with each other. */
    protected enum Fairness {
        /** It makes no promise: it prefers, or sticks. */
        NONE,
        /** Every endpoint gets the same share, whatever its weight. */
        EQUAL,
        /** Every endpoint gets a share by its weight; equal weights, equal shares. */
        BY_WEIGHT
    }

    /** {@return a new policy} */
    protected abstract RoutingPolicy createPolicy();

    /** {@return what the policy promises; nothing unless overridden} */
    protected Fairness fairness() {
        return Fairness.NONE;
    }

    /** {@return a call for the policy to route, with this source of chance; each has a session of its own} */
    protected FakeRoutingContext createCall(int number, Random random) {
        return new FakeRoutingContext()
                .random(random)
                .options(CallOptions.builder().session("session-" + number).build());
    }

    @Test
    void picksACandidateFromPoolsOfEverySize() {
        RoutingPolicy policy = createPolicy();
        Random random = new Random(11);
        for (int size = 1; size <= LARGEST_POOL; size++) {
            FakeCandidates pool = FakeCandidates.idle(size);
            for (int i = 0; i < 3 * size; i++) {
                assertPicksACandidate(policy, createCall(i, random), pool);
            }
        }
    }

    @Test
    void picksTheOnlyCandidateHoweverBusy() {
        FakeEndpointView only = new FakeEndpointView("only").inFlight(255).maxConcurrency(256);
        RoutingPolicy policy = createPolicy();
        for (int i = 0; i < 100; i++) {
            assertThat(policy.pick(createCall(i, new Random(i)), FakeCandidates.of(only)))
                    .isSameAs(only);
        }
    }

    @Test
    void picksACandidateUnderRandomLoadWeightAndLabels() {
        RoutingPolicy policy = createPolicy();
        Random random = new Random(12);
        for (int round = 0; round < 200; round++) {
            FakeCandidates pool = FakeCandidates.of(IntStream.rangeClosed(0, random.nextInt(LARGEST_POOL))
                    .mapToObj(i -> new FakeEndpointView("e" + i)
                            .inFlight(random.nextInt(300))
                            .weight(Math.exp(random.nextGaussian() * 5))
                            .label("zone", "z" + random.nextInt(3)))
                    .toList());
            for (int i = 0; i < 20; i++) {
                assertPicksACandidate(policy, createCall(i, random).attempt(1 + random.nextInt(3)), pool);
            }
        }
    }

    @Test
    void picksACandidateHoweverSmallOrLargeTheWeights() {
        RoutingPolicy policy = createPolicy();
        Random random = new Random(16);
        double[] weights = {Double.MIN_VALUE, 1e-300, 1, 1e300, Double.MAX_VALUE};
        for (int i = 0; i < 500; i++) {
            FakeCandidates pool = FakeCandidates.of(IntStream.rangeClosed(0, random.nextInt(8))
                    .mapToObj(e -> new FakeEndpointView("e" + e)
                            .inFlight(random.nextInt(3) * 100)
                            .weight(weights[random.nextInt(weights.length)]))
                    .toList());
            assertPicksACandidate(policy, createCall(i, random), pool);
        }
    }

    @Test
    void picksOnlyFromWhatIsLeftOfThePool() {
        RoutingPolicy policy = createPolicy();
        Random random = new Random(13);
        FakeCandidates pool = FakeCandidates.idle(16);
        for (int i = 0; i < 2_000; i++) {
            int always = random.nextInt(16);
            FakeCandidates left = pool.filter(e -> e == pool.get(always) || random.nextInt(4) == 0);
            assertPicksACandidate(policy, createCall(i, random), left);
        }
    }

    @Test
    void followsAPoolWhoseEndpointsLeaveAndComeBackUnderTheSameName() {
        RoutingPolicy policy = createPolicy();
        Random random = new Random(14);
        List<EndpointView> members = new ArrayList<>(FakeCandidates.idle(8));
        for (int i = 0; i < 2_000; i++) {
            int place = random.nextInt(members.size());
            switch (random.nextInt(4)) {
                case 0 -> members.add(place, new FakeEndpointView("new-" + i));
                case 1 ->
                    members.set(place, new FakeEndpointView(members.get(place).id()));
                case 2 -> {
                    if (members.size() > 1) {
                        members.remove(place);
                    }
                }
                default -> {
                    // the same pool again
                }
            }
            if (members.size() > LARGEST_POOL) {
                members.subList(8, members.size()).clear();
            }
            assertPicksACandidate(policy, createCall(i, random), FakeCandidates.of(members));
        }
    }

    @Test
    void routesEmbeddingsWhichShowNoRequest() {
        RoutingPolicy policy = createPolicy();
        assertPicksACandidate(policy, createCall(0, new Random(15)).embeddings(), FakeCandidates.idle(4));
    }

    @Test
    void routesCallsWithoutSessionTenantOrKey() {
        RoutingPolicy policy = createPolicy();
        FakeCandidates pool = FakeCandidates.idle(4);
        for (int i = 0; i < 100; i++) {
            assertPicksACandidate(policy, createCall(i, new Random(i)).options(CallOptions.DEFAULT), pool);
        }
    }

    @Test
    void explainsItselfInFiniteNumbersAboutCandidatesOnly() {
        FakeRoutingContext call = createCall(0, new Random(16)).explained();
        FakeCandidates pool = FakeCandidates.idle(6).filter(e -> !e.id().equals("e3"));
        assertPicksACandidate(createPolicy(), call, pool);
        assertThat(pool.stream().map(EndpointView::id)).containsAll(call.terms().keySet());
        assertThat(call.terms().values().stream().flatMap(terms -> terms.values().stream()))
                .allSatisfy(value -> assertThat(value).isFinite());
    }

    @Test
    void takesEveryEventOfAttemptsItRoutedAndOfThoseItDidNot() {
        RoutingPolicy policy = createPolicy();
        FakeCandidates pool = FakeCandidates.idle(3);
        EndpointView picked = policy.pick(createCall(0, new Random(17)), pool);
        for (EndpointView endpoint : List.of(picked, pool.get(0), new FakeEndpointView("unknown"))) {
            for (AttemptSummary.Outcome outcome : AttemptSummary.Outcome.values()) {
                assertThatCode(() -> lifeOf(endpoint, outcome).forEach(policy::observe))
                        .doesNotThrowAnyException();
            }
        }
        assertPicksACandidate(policy, createCall(1, new Random(18)), pool);
    }

    @Test
    void picksAtTheSameTimeFromFourThreads() throws Exception {
        RoutingPolicy policy = createPolicy();
        FakeCandidates pool = FakeCandidates.idle(8);
        FakeCandidates left = pool.filter(e -> !e.id().equals("e2"));
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            List<Callable<Void>> pickers = IntStream.range(0, 4)
                    .mapToObj(thread -> (Callable<Void>) () -> {
                        Random random = new Random(thread);
                        for (int i = 0; i < 5_000; i++) {
                            assertPicksACandidate(policy, createCall(i, random), i % 3 == 0 ? left : pool);
                        }
                        return null;
                    })
                    .toList();
            for (Future<Void> picker : threads.invokeAll(pickers, PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                picker.get();
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void sharesAnIdlePoolOutFairly() {
        assumeTrue(fairness() != Fairness.NONE, "the policy promises no fairness");
        FakeCandidates pool = FakeCandidates.idle(8);
        assertShares(countPicks(pool), pool, false);
    }

    @Test
    void sharesAPoolOutByWeight() {
        assumeTrue(fairness() == Fairness.BY_WEIGHT, "the policy does not promise shares by weight");
        FakeCandidates pool = FakeCandidates.of(
                new FakeEndpointView("light").weight(1),
                new FakeEndpointView("middle").weight(2.5),
                new FakeEndpointView("heavy").weight(4));
        assertShares(countPicks(pool), pool, true);
    }

    /**
     * Every other pick sees only {@code e1} and {@code e3} of four. A policy that counts {@code i++ % size} gives
     * {@code e1} nothing at all; one that walks the pool's order gives each 25 %, a random one at least 12.5 %.
     */
    @Test
    void starvesNobodyWhenEveryOtherPickSeesHalfThePool() {
        assumeTrue(fairness() != Fairness.NONE, "the policy promises no fairness");
        RoutingPolicy policy = createPolicy();
        Random random = new Random(20);
        FakeCandidates pool = FakeCandidates.idle(4);
        FakeCandidates half = pool.filter(e -> e.id().equals("e1") || e.id().equals("e3"));
        Map<String, Integer> picks = new HashMap<>();
        for (int i = 0; i < PICKS; i++) {
            EndpointView picked = policy.pick(createCall(i, random), i % 2 == 0 ? pool : half);
            picks.merge(picked.id(), 1, Integer::sum);
        }
        assertThat(pool)
                .allSatisfy(e -> assertThat(picks.getOrDefault(e.id(), 0))
                        .as("picks of %s of %s", e.id(), PICKS)
                        .isGreaterThan(PICKS / 12));
    }

    @Test
    void tellsItsNameAndParameters() {
        String told = createPolicy().toString();
        assertThat(told).isNotBlank().hasSizeLessThan(200).doesNotContain("@").doesNotContain("$$Lambda");
        assertThat(createPolicy()).as("the same parameters read the same").hasToString(told);
    }

    private Map<String, Integer> countPicks(FakeCandidates pool) {
        RoutingPolicy policy = createPolicy();
        Random random = new Random(19);
        Map<String, Integer> picks = new HashMap<>();
        for (int i = 0; i < PICKS; i++) {
            picks.merge(policy.pick(createCall(i, random), pool).id(), 1, Integer::sum);
        }
        return picks;
    }

    private static void assertShares(Map<String, Integer> picks, FakeCandidates pool, boolean weighted) {
        double weights = pool.stream().mapToDouble(EndpointView::weight).sum();
        for (EndpointView endpoint : pool) {
            double share = weighted ? endpoint.weight() / weights : 1.0 / pool.size();
            // Picks of one endpoint are at worst independent draws: binomial, sd = sqrt(n p (1 - p)).
            double sd = Math.sqrt(PICKS * share * (1 - share));
            assertThat((double) picks.getOrDefault(endpoint.id(), 0))
                    .as("picks of %s in %s", endpoint, picks)
                    .isCloseTo(PICKS * share, within(SIGMAS * sd));
        }
    }

    private static void assertPicksACandidate(RoutingPolicy policy, FakeRoutingContext call, FakeCandidates pool) {
        EndpointView picked = policy.pick(call, pool);
        assertThat(pool.stream().anyMatch(candidate -> candidate == picked))
                .as("%s picked %s of %s", policy, picked, pool)
                .isTrue();
    }

    private static List<AttemptEvent> lifeOf(EndpointView endpoint, AttemptSummary.Outcome outcome) {
        boolean failed = outcome == AttemptSummary.Outcome.FAILED;
        AttemptSummary summary = new AttemptSummary(
                1,
                endpoint.id(),
                outcome,
                failed ? LlmException.Reason.TRUNCATED : null,
                failed ? "cut" : "",
                Duration.ofMillis(20));
        return List.of(
                new AttemptEvent.Dispatched("call", 1, endpoint, 0, 100, 40),
                new AttemptEvent.FirstToken("call", 1, endpoint, 10_000_000, 10_000_000),
                new AttemptEvent.Ended(
                        "call",
                        1,
                        endpoint,
                        20_000_000,
                        summary,
                        failed ? null : Usage.builder(7, 3).build()));
    }
}
