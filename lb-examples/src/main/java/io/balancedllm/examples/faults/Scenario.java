/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;

/** What is done to the workers while requests come; the first worker is the bad one. */
enum Scenario {
    HEALTHY(fleet -> {}, 0),
    FROZEN(fleet -> fleet.bad().freeze(), 0),
    KILLED(fleet -> fleet.bad().kill(), 0),
    REFUSES(fleet -> fleet.bad().become(Behaviour.REFUSES), 0),
    UNAVAILABLE_503(fleet -> fleet.bad().become(Behaviour.UNAVAILABLE), 0),
    RETRY_AFTER_429(fleet -> fleet.bad().become(Behaviour.RATE_LIMITED), 0),
    CUT_AFTER_5_TOKENS(fleet -> fleet.bad().become(Behaviour.CUTS), 0),
    IN_BAND_ERROR(fleet -> fleet.bad().become(Behaviour.IN_BAND_ERROR), 0),
    SLOW_10X(fleet -> fleet.bad().become(Behaviour.SLOW), 0),
    FLAPPING(Scenario::flap, 0),
    DNS_GONE(fleet -> fleet.dnsFails(true), 0),
    OUTAGE_10_S(Scenario::outage, 12),
    UNAUTHORIZED_401(fleet -> fleet.bad().become(Behaviour.UNAUTHORIZED), 0),
    LOADING(fleet -> fleet.bad().become(Behaviour.LOADING), 0),
    DRAINING_BUT_HEALTHY(fleet -> fleet.bad().become(Behaviour.DRAINING), 0),
    POISON_REQUEST(fleet -> fleet.workers().forEach(worker -> worker.become(Behaviour.POISONED)), 0);

    private static final Duration FLAP = Duration.ofSeconds(1);
    private static final Duration OUTAGE = Duration.ofSeconds(10);

    @SuppressWarnings("ImmutableEnumChecker") // lambdas without state
    private final Consumer<Fleet> disturb;

    private final int extraSeconds;

    Scenario(Consumer<Fleet> disturb, int extraSeconds) {
        this.disturb = disturb;
        this.extraSeconds = extraSeconds;
    }

    /**
     * What a scenario works on.
     *
     * @param timers for what happens later; a task may block
     */
    record Fleet(List<FaultyWorker> workers, Scheduler timers, Consumer<Boolean> dns) {
        FaultyWorker bad() {
            return workers.get(0);
        }

        void dnsFails(boolean fails) {
            dns.accept(fails);
        }
    }

    String label() {
        return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
    }

    /** {@return how much longer than usual it needs} */
    Duration extra() {
        return Duration.ofSeconds(extraSeconds);
    }

    /** {@return whether it is about names of workers, and says nothing about those that look up none} */
    boolean isAboutNames() {
        return this == DNS_GONE;
    }

    void begin(Fleet fleet) {
        disturb.accept(fleet);
    }

    private static void flap(Fleet fleet) {
        flap(fleet, Behaviour.REFUSES);
    }

    private static void flap(Fleet fleet, Behaviour next) {
        fleet.bad().become(next);
        Behaviour after = next == Behaviour.OK ? Behaviour.REFUSES : Behaviour.OK;
        fleet.timers().schedule("flap", FLAP.toNanos(), () -> flap(fleet, after));
    }

    private static void outage(Fleet fleet) {
        fleet.workers().forEach(worker -> worker.become(Behaviour.REFUSES));
        fleet.timers()
                .schedule(
                        "back", OUTAGE.toNanos(), () -> fleet.workers().forEach(worker -> worker.become(Behaviour.OK)));
    }
}
