/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.architecture;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.AccessTarget.CodeUnitAccessTarget;
import com.tngtech.archunit.core.domain.JavaAccess;
import java.util.Map;
import java.util.Set;

/** Accesses that read a clock, sleep, start a timer of their own or draw from a source of chance nobody can seed. */
final class TimeAndChance extends DescribedPredicate<JavaAccess<?>> {
    /** Methods by class; {@code <init>} is the constructor, and an empty set stands for everything. */
    private static final Map<String, Set<String>> FORBIDDEN = Map.ofEntries(
            Map.entry("java.lang.System", Set.of("nanoTime", "currentTimeMillis")),
            Map.entry("java.lang.Thread", Set.of("sleep")),
            Map.entry("java.util.concurrent.TimeUnit", Set.of("sleep")),
            Map.entry(
                    "java.time.Clock", Set.of("systemUTC", "systemDefaultZone", "system", "tickMillis", "tickSeconds")),
            Map.entry("java.util.Timer", Set.of()),
            Map.entry("java.util.concurrent.ScheduledThreadPoolExecutor", Set.of()),
            Map.entry(
                    "java.util.concurrent.Executors",
                    Set.of("newScheduledThreadPool", "newSingleThreadScheduledExecutor")),
            Map.entry(
                    "java.util.concurrent.CompletableFuture",
                    Set.of("orTimeout", "completeOnTimeout", "delayedExecutor")),
            Map.entry("java.util.concurrent.ThreadLocalRandom", Set.of()),
            Map.entry("java.lang.Math", Set.of("random")));

    /** Methods by class that are forbidden only when called without arguments, which is without a clock or a seed. */
    private static final Map<String, Set<String>> FORBIDDEN_WITHOUT_ARGUMENTS = Map.of(
            "java.time.Instant", Set.of("now"),
            "java.time.LocalDateTime", Set.of("now"),
            "java.time.ZonedDateTime", Set.of("now"),
            "java.time.OffsetDateTime", Set.of("now"),
            "java.util.Random", Set.of("<init>"),
            "java.util.SplittableRandom", Set.of("<init>"),
            "java.util.random.RandomGenerator", Set.of("getDefault"));

    TimeAndChance() {
        super("a clock, a sleep, a timer or unseeded chance");
    }

    @Override
    public boolean test(JavaAccess<?> access) {
        AccessTarget target = access.getTarget();
        Set<String> names = FORBIDDEN.get(target.getOwner().getName());
        if (names != null) {
            return names.isEmpty() || names.contains(target.getName());
        }
        return target instanceof CodeUnitAccessTarget unit
                && unit.getRawParameterTypes().isEmpty()
                && FORBIDDEN_WITHOUT_ARGUMENTS
                        .getOrDefault(target.getOwner().getName(), Set.of())
                        .contains(target.getName());
    }
}
