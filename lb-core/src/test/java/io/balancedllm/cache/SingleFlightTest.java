/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SingleFlightTest {
    private static final CacheKey KEY = key("q");
    private static final int ALL = Integer.MAX_VALUE;
    private static final int NEVER = Integer.MAX_VALUE;

    private final List<FlightUpstream> upstreams = new CopyOnWriteArrayList<>();
    private final SingleFlight flights = new SingleFlight(SingleFlight.DEFAULT_MAXIMUM_REPLAY_BYTES);

    private static CacheKey key(String text) {
        return CacheKey.of(CompletionRequest.of(text), CallOptions.DEFAULT, CacheScope.TENANT);
    }

    private FlightCaller caller(int handedOnAt) {
        return new FlightCaller(upstreams, handedOnAt);
    }

    private SingleFlight.Seat join(FlightCaller caller, int demand) {
        return flights.join(KEY, caller, demand, SingleFlight.NO_DEADLINE);
    }

    @Test
    void sixtyFourCallersOfOnePromptMakeOneGeneration() {
        List<FlightCaller> callers = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            callers.add(caller(1));
            join(callers.get(i), ALL);
        }
        upstreams.get(0).send(5);
        upstreams.get(0).complete();

        assertThat(upstreams).hasSize(1);
        assertThat(callers).allSatisfy(caller -> {
            assertThat(caller.text()).isEqualTo(FlightUpstream.text(0, 5));
            assertThat(caller.completed).isTrue();
        });
        assertThat(flights.flights()).isZero();
    }

    @Test
    void otherRequestsMakeTheirOwn() {
        join(caller(1), ALL);
        flights.join(key("other"), caller(1), ALL, SingleFlight.NO_DEADLINE);

        assertThat(upstreams).hasSize(2);
    }

    @Test
    void whoJoinsLaterIsGivenWhatWasSaidAndThenFollows() {
        FlightCaller leader = caller(1);
        FlightCaller follower = caller(1);
        assertThat(join(leader, ALL).leads()).isTrue();
        upstreams.get(0).send(3);
        assertThat(join(follower, ALL).leads()).isFalse();

        assertThat(follower.text()).isEqualTo(FlightUpstream.text(0, 3));
        upstreams.get(0).send(4);
        assertThat(follower.text()).isEqualTo(leader.text()).isEqualTo(FlightUpstream.text(0, 4));
    }

    @Test
    void everyoneReadsAtItsOwnPaceAndTheFastestSetsTheDemand() {
        FlightCaller fast = caller(1);
        FlightCaller slow = caller(1);
        SingleFlight.Seat fastSeat = join(fast, 2);
        SingleFlight.Seat slowSeat = join(slow, 1);
        upstreams.get(0).send(100);
        assertThat(fast.text()).isEqualTo(FlightUpstream.text(0, 2));
        assertThat(slow.text()).isEqualTo(FlightUpstream.text(0, 1));

        fastSeat.request(10);
        upstreams.get(0).send(100);
        upstreams.get(0).complete();
        assertThat(fast.text()).isEqualTo(FlightUpstream.text(0, 12));
        assertThat(fast.completed).isTrue();
        assertThat(slow.text()).isEqualTo(FlightUpstream.text(0, 1));
        assertThat(slow.ended()).isFalse();

        slowSeat.request(ALL);
        assertThat(slow.text()).isEqualTo(fast.text());
        assertThat(slow.completed).isTrue();
    }

    @Test
    void theGenerationGoesOnWhenTheLeaderLeaves() {
        FlightCaller leader = caller(1);
        FlightCaller follower = caller(1);
        SingleFlight.Seat seat = join(leader, ALL);
        join(follower, ALL);
        upstreams.get(0).send(2);
        seat.leave();
        upstreams.get(0).send(4);
        upstreams.get(0).complete();

        assertThat(upstreams.get(0).cancelled()).isFalse();
        assertThat(leader.text()).isEqualTo(FlightUpstream.text(0, 2));
        assertThat(leader.ended()).isFalse();
        assertThat(follower.text()).isEqualTo(FlightUpstream.text(0, 4));
    }

    @Test
    void theGenerationIsCancelledWhenTheLastOneLeavesAndTheNextCallBeginsAnew() {
        SingleFlight.Seat one = join(caller(1), ALL);
        SingleFlight.Seat other = join(caller(1), ALL);
        one.leave();
        one.leave();
        assertThat(upstreams.get(0).cancelled()).isFalse();
        other.leave();
        assertThat(upstreams.get(0).cancelled()).isTrue();

        assertThat(join(caller(1), ALL).leads()).isTrue();
        assertThat(upstreams).hasSize(2);
    }

    @Test
    void oneFollowerTakesOverWhenTheLeaderFailsBeforeTheFirstToken() {
        FlightCaller leader = caller(1);
        FlightCaller next = caller(1);
        FlightCaller last = caller(1);
        join(leader, ALL);
        join(next, ALL);
        join(last, ALL);
        upstreams.get(0).fail(Reason.UNAVAILABLE);

        assertThat(leader.failure).isNotNull();
        assertThat(next.led).isEqualTo(1);
        assertThat(last.led).isZero();
        upstreams.get(1).send(3);
        upstreams.get(1).complete();
        assertThat(next.text()).isEqualTo(last.text()).isEqualTo(FlightUpstream.text(1, 3));
        assertThat(next.completed && last.completed).isTrue();
    }

    @Test
    void aFailureThatWouldMeetTheNextOneTooFailsAllAndSoDoesTheSecond() {
        FlightCaller leader = caller(1);
        FlightCaller follower = caller(1);
        join(leader, ALL);
        join(follower, ALL);
        upstreams.get(0).fail(Reason.INVALID_REQUEST);
        assertThat(follower.failure).isNotNull();
        assertThat(upstreams).hasSize(1);

        List<FlightCaller> three = List.of(caller(1), caller(1), caller(1));
        three.forEach(caller -> join(caller, ALL));
        upstreams.get(1).fail(Reason.UNAVAILABLE);
        upstreams.get(2).fail(Reason.UNAVAILABLE);
        assertThat(three).allSatisfy(caller -> assertThat(caller.failure).isNotNull());
        assertThat(upstreams).hasSize(3);
        assertThat(flights.flights()).isZero();
    }

    @Test
    void afterAFailureMidStreamWhoWasHandedNothingGetsAWholeAnswer() {
        FlightCaller leader = caller(NEVER);
        FlightCaller streaming = caller(1);
        FlightCaller collecting = caller(NEVER);
        join(leader, ALL);
        join(streaming, ALL);
        join(collecting, ALL);
        upstreams.get(0).send(3);
        upstreams.get(0).fail(Reason.TRUNCATED);

        assertThat(streaming.failure).isNotNull();
        assertThat(collecting.led).isEqualTo(1);
        upstreams.get(1).send(2);
        upstreams.get(1).complete();
        assertThat(collecting.text()).isEqualTo(FlightUpstream.text(1, 2));
    }

    @Test
    void beginningAnewIsAllowedWhileNothingWasHandedOn() {
        FlightCaller one = caller(NEVER);
        FlightCaller other = caller(20);
        join(one, ALL);
        join(other, ALL);
        upstreams.get(0).send(2);
        assertThat(upstreams.get(0).discard()).isTrue();
        assertThat(one.text()).isEmpty();

        upstreams.get(0).send(6);
        assertThat(upstreams.get(0).discard()).isFalse();
        assertThat(one.text()).isEqualTo(other.text()).isEqualTo(FlightUpstream.text(0, 6));
    }

    @Test
    void anAnswerTooLongToKeepIsNotJoinedAndTheSlowestSetsThePace() {
        SingleFlight small = new SingleFlight(2_000);
        FlightCaller fast = caller(1);
        FlightCaller slow = caller(1);
        small.join(KEY, fast, ALL, SingleFlight.NO_DEADLINE);
        SingleFlight.Seat slowSeat = small.join(KEY, slow, 1, SingleFlight.NO_DEADLINE);
        FlightUpstream first = upstreams.get(0);
        first.send(10_000);
        int held = first.sent();

        assertThat(held).isLessThan(2_000 / 128 + 1 + Flight.WINDOW);
        assertThat(small.join(KEY, caller(1), 1, SingleFlight.NO_DEADLINE).leads())
                .isTrue();
        slowSeat.request(40);
        first.send(10_000);
        assertThat(first.sent()).isGreaterThan(held).isLessThan(held + 42 + Flight.WINDOW);
        slowSeat.request(ALL);
        first.send(10_000);
        assertThat(first.sent()).isEqualTo(10_000);
        assertThat(slow.text()).isEqualTo(FlightUpstream.text(0, 10_000));
    }

    @Test
    void theGenerationHasTheTimeOfTheMostPatientCaller() {
        FlightCaller leader = caller(1);
        flights.join(KEY, leader, ALL, 100);
        SingleFlight.Seat patient = flights.join(KEY, caller(1), ALL, 300);
        assertThat(upstreams.get(0).deadline()).isEqualTo(300);
        SingleFlight.Seat endless = join(caller(1), ALL);
        assertThat(upstreams.get(0).deadline()).isEqualTo(SingleFlight.NO_DEADLINE);
        endless.leave();
        patient.leave();

        assertThat(upstreams.get(0).deadline()).isEqualTo(100);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void whoeverLeavesWhenTheOthersGetOneWholeAnswerOrOneError(long seed) {
        Random random = new Random(seed);
        for (int round = 0; round < 500; round++) {
            upstreams.clear();
            playRound(random);
            assertThat(flights.flights()).isZero();
        }
    }

    private void playRound(Random random) {
        int chunks = random.nextInt(6);
        List<FlightCaller> callers = new ArrayList<>();
        List<SingleFlight.Seat> seats = new ArrayList<>();
        List<FlightCaller> left = new ArrayList<>();
        for (int step = 0; step < 60; step++) {
            FlightUpstream last = upstreams.isEmpty() ? null : upstreams.get(upstreams.size() - 1);
            switch (random.nextInt(8)) {
                case 0, 1 -> {
                    if (callers.size() < 5) {
                        callers.add(caller(random.nextBoolean() ? 1 : NEVER));
                        seats.add(join(callers.get(callers.size() - 1), random.nextInt(3)));
                    }
                }
                case 2 -> {
                    if (!seats.isEmpty()) {
                        int who = random.nextInt(seats.size());
                        seats.get(who).leave();
                        left.add(callers.get(who));
                    }
                }
                case 3 -> {
                    if (!seats.isEmpty()) {
                        seats.get(random.nextInt(seats.size())).request(1 + random.nextInt(4));
                    }
                }
                case 4, 5 -> {
                    if (last != null && last.alive() && last.outstanding() > 0 && last.sent() < chunks) {
                        last.sendOne();
                    }
                }
                case 6 -> {
                    if (last != null && last.alive() && last.sent() >= chunks) {
                        last.complete();
                    }
                }
                default -> {
                    if (last != null && last.alive() && random.nextInt(4) == 0) {
                        last.fail(random.nextBoolean() ? Reason.UNAVAILABLE : Reason.INVALID_REQUEST);
                    }
                }
            }
            assertThat(upstreams.stream().filter(FlightUpstream::alive)).hasSizeLessThanOrEqualTo(1);
        }
        seats.forEach(seat -> seat.request(ALL));
        for (int i = 0; i < upstreams.size(); i++) {
            FlightUpstream upstream = upstreams.get(i);
            if (upstream.alive()) {
                upstream.send(chunks);
                upstream.complete();
            }
        }
        for (FlightCaller caller : callers) {
            String text = caller.text();
            assertThat(upstreams.stream().map(upstream -> FlightUpstream.text(upstreams.indexOf(upstream), chunks)))
                    .anySatisfy(whole -> assertThat(whole).startsWith(text));
            if (!left.contains(caller)) {
                assertThat(caller.ended()).isTrue();
                if (caller.failure == null) {
                    assertThat(caller.completed).isTrue();
                    assertThat(upstreams.stream()
                                    .map(upstream -> FlightUpstream.text(upstreams.indexOf(upstream), chunks)))
                            .contains(text);
                }
            }
        }
    }

    /** Threads that join, read and leave at random while another generates: nobody gets a hole or a second end. */
    @Test
    void nothingIsLostOrRepeatedUnderThreads() throws InterruptedException {
        int chunks = 200;
        for (int round = 0; round < 20; round++) {
            upstreams.clear();
            List<FlightCaller> callers = new CopyOnWriteArrayList<>();
            FlightCaller leader = caller(1);
            join(leader, ALL);
            callers.add(leader);
            FlightUpstream upstream = upstreams.get(0);
            CountDownLatch done = new CountDownLatch(3);
            for (int t = 0; t < 2; t++) {
                Random random = new Random(round * 2L + t);
                new Thread(() -> {
                            for (int i = 0; i < 20; i++) {
                                FlightCaller caller = caller(1);
                                SingleFlight.Seat seat = join(caller, random.nextInt(50));
                                if (random.nextInt(4) == 0) {
                                    seat.leave();
                                } else {
                                    callers.add(caller);
                                    seat.request(ALL);
                                }
                            }
                            done.countDown();
                        })
                        .start();
            }
            new Thread(() -> {
                        while (upstream.sent() < chunks) {
                            upstream.send(chunks);
                        }
                        upstream.complete();
                        done.countDown();
                    })
                    .start();
            assertThat(done.await(30, TimeUnit.SECONDS)).isTrue();
            upstreams.stream().filter(FlightUpstream::alive).forEach(late -> {
                late.send(chunks);
                late.complete();
            });
            assertThat(callers).allSatisfy(caller -> {
                assertThat(caller.completed).isTrue();
                assertThat(caller.failure).isNull();
            });
            assertThat(callers.stream().map(FlightCaller::text).distinct())
                    .allMatch(text -> text.endsWith("." + (chunks - 1) + ">") && text.startsWith("<"));
            assertThat(leader.text()).isEqualTo(FlightUpstream.text(0, chunks));
        }
    }

    @Test
    void aCallerThatThrowsFailsAlone() {
        FlightCaller good = caller(1);
        List<LlmException> failures = new ArrayList<>();
        join(good, ALL);
        flights.join(
                KEY,
                new SingleFlight.Caller() {
                    @Override
                    public void lead(SingleFlight.Feed feed) {}

                    @Override
                    public void chunk(io.balancedllm.completion.CompletionChunk chunk) {
                        throw new IllegalStateException("no");
                    }

                    @Override
                    public boolean discard() {
                        return true;
                    }

                    @Override
                    public boolean delivered() {
                        return false;
                    }

                    @Override
                    public void completed(DecisionRecord decision) {}

                    @Override
                    public void failed(LlmException cause) {
                        failures.add(cause);
                    }
                },
                ALL,
                SingleFlight.NO_DEADLINE);
        upstreams.get(0).send(3);
        upstreams.get(0).complete();

        assertThat(good.text()).isEqualTo(FlightUpstream.text(0, 3));
        assertThat(failures)
                .singleElement()
                .satisfies(cause -> assertThat(cause.reason()).isEqualTo(Reason.INTERNAL_ERROR));
    }
}
