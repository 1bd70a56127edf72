/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.EngineReport;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks the engines of a pool for their load, each one again and again for as long as it is in the pool, with jitter so
 * that many balancers do not ask at the same moment. One question at a time for each; an engine that does not answer is
 * asked again after the interval, and what it said last expires.
 */
final class LoadReports {
    /** How much an interval varies, up and down. */
    static final double JITTER = 0.2;
    /** Questions left unanswered before what was said last is no longer believed. */
    static final int MISSED = 3;

    private static final Duration SHORTEST_INTERVAL = Duration.ofMillis(100);
    private static final Duration LONGEST_INTERVAL = Duration.ofHours(1);
    private static final Logger LOG = LoggerFactory.getLogger(EndpointPool.class);

    private final EngineRoom room;
    private final Duration interval;
    private final Duration lifetime;

    LoadReports(EngineRoom room, Duration interval) {
        this.room = room;
        this.interval = interval;
        Duration missed = interval.multipliedBy(MISSED);
        this.lifetime = missed.compareTo(PoolMember.REPORT_LIFETIME) > 0 ? missed : PoolMember.REPORT_LIFETIME;
    }

    static Duration checked(Duration interval) {
        if (interval.compareTo(SHORTEST_INTERVAL) < 0 || interval.compareTo(LONGEST_INTERVAL) > 0) {
            throw new IllegalArgumentException(
                    "reportEvery must be " + SHORTEST_INTERVAL + " to " + LONGEST_INTERVAL + ", got " + interval);
        }
        return interval;
    }

    /** Begins to ask an endpoint that has joined, within an interval. */
    void joined(PoolMember member) {
        new Asked(member).again(room.random().nextDouble());
    }

    /** An endpoint that is asked again and again. One that fails is told of once, until it has told its load. */
    private final class Asked {
        private final PoolMember member;
        private volatile boolean failing;

        Asked(PoolMember member) {
            this.member = member;
        }

        /** Asks after this part of an interval. */
        void again(double part) {
            room.scheduler().schedule("load report", (long) (part * interval.toNanos()), () -> {
                if (member.state() != EndpointState.REMOVED) {
                    room.loop().execute(this::ask);
                }
            });
        }

        private void ask() {
            long askedNanos = room.nanos();
            int inFlight = member.inFlight();
            try {
                CompletionStage<Optional<EngineReport>> answer =
                        member.endpoint().backend().report(interval);
                CompletionStage<Optional<EngineReport>> unused = answer.whenComplete((told, failure) -> {
                    if (failure != null) {
                        failed(failure);
                    } else {
                        failing = false;
                        told.ifPresent(report -> member.report(report.at(askedNanos), inFlight, lifetime));
                    }
                    jittered();
                });
            } catch (RuntimeException e) {
                failed(e);
                jittered();
            }
        }

        private void failed(Throwable failure) {
            if (!failing) {
                failing = true;
                LOG.warn("the backend of endpoint {} failed to report its load", member.id(), failure);
            }
        }

        private void jittered() {
            again(1 + JITTER * (2 * room.random().nextDouble() - 1));
        }
    }
}
