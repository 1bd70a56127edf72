/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.semantic.SemanticCache;
import io.balancedllm.cache.semantic.redis.RedisTier;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What it takes to share a cache through Redis, with a server that this starts and ends. */
@Command(
        name = "redis",
        description = "How fast a cache fills from Redis, and how fast what one process stores is in another.",
        mixinStandardHelpOptions = true)
public final class RedisCommand implements Callable<Integer> {
    private static final int WORDS = 100;
    private static final int MOST_WAITING = 512;
    private static final long LOOK_NANOS = 20_000;
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final double NANOS_PER_MILLI = 1e6;
    /** What a cache has to be filled in, and an entry be elsewhere in. */
    private static final double GOAL_FILLED_MILLIS = 2_000;

    private static final double GOAL_ELSEWHERE_MILLIS = 5;

    private final Ticker ticker = Ticker.system();
    private final Random random = new Random(5);
    private final Completion answer = Completion.builder(Operation.CHAT)
            .choice(new Choice(0, Message.assistant("light ".repeat(WORDS)), FinishReason.STOP, null, Map.of()))
            .build();

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(names = "--entries", paramLabel = "N", description = "Entries in the log. Default: 20000.")
    private int entries = 20_000;

    @Option(names = "--puts", paramLabel = "N", description = "Entries whose way is timed. Default: 1000.")
    private int puts = 1_000;

    @Option(names = "--json", description = "Prints one JSON object for each row and nothing else.")
    private boolean json;

    @Override
    public Integer call() {
        Optional<RedisProcess> started = RedisProcess.start();
        if (started.isEmpty()) {
            spec.commandLine()
                    .getErr()
                    .println("neither redis-server nor valkey-server is on the path: nothing to measure");
            return ExitCode.OK;
        }
        try (RedisProcess server = started.get();
                Shared one = shared(server)) {
            for (int i = 0; i < entries; i++) {
                store(one.cache, "question " + i);
                await(() -> one.tier.statistics().waiting() < MOST_WAITING);
            }
            await(() -> one.tier.statistics().sent() == entries);
            double first = filled(server);
            double second = filled(server);
            double elsewhere = elsewhere(server, one);
            Comparison.print(
                    spec.commandLine().getOut(),
                    json,
                    "redis",
                    List.of(
                            new Comparison(
                                    entries + " entries, the first cache of a process",
                                    "ms",
                                    first,
                                    "goal",
                                    GOAL_FILLED_MILLIS),
                            new Comparison(entries + " entries, the second", "ms", second, "goal", GOAL_FILLED_MILLIS),
                            new Comparison(
                                    "from store to another cache, p50",
                                    "ms",
                                    elsewhere,
                                    "goal",
                                    GOAL_ELSEWHERE_MILLIS)));
            return ExitCode.OK;
        } catch (IOException e) {
            throw new Failure("the server failed: " + e.getMessage(), e);
        }
    }

    /** A cache and what it shares, of which one can ask at no cost to the cache. */
    private record Shared(SemanticCache cache, RedisTier tier) implements AutoCloseable {
        long received() {
            return tier.statistics().received();
        }

        @Override
        public void close() {
            cache.close();
        }
    }

    private Shared shared(RedisProcess server) {
        RedisTier tier =
                RedisTier.builder(server.uri()).maximumEntries(entries + puts).build();
        return new Shared(
                SemanticCache.builder(new DrawnVectors())
                        .tenantShare(1)
                        .shared(tier)
                        .build(),
                tier);
    }

    private void store(SemanticCache cache, String text) {
        CompletionRequest request =
                CompletionRequest.builder("m").user(text).temperature(0).build();
        CacheKey key = CacheKey.of(request, CallOptions.DEFAULT, CacheScope.TENANT);
        cache.store(key, new CacheLookup.Miss(new CacheOutcome.Miss(), DrawnVectors.draw(random), 0), answer);
    }

    /** {@return how long a new cache takes until it holds all entries} */
    private double filled(RedisProcess server) {
        long start = ticker.nanos();
        try (Shared cache = shared(server)) {
            await(() -> cache.received() == entries);
            return (ticker.nanos() - start) / NANOS_PER_MILLI;
        }
    }

    /** {@return how long after its storing an entry is in another cache, the median} */
    private double elsewhere(RedisProcess server, Shared one) {
        try (Shared other = shared(server)) {
            await(() -> other.received() == entries);
            double[] times = new double[puts];
            for (int i = 0; i < puts; i++) {
                long expected = other.received() + 1;
                long start = ticker.nanos();
                store(one.cache, "another " + i);
                await(() -> other.received() == expected);
                times[i] = (ticker.nanos() - start) / NANOS_PER_MILLI;
            }
            Arrays.sort(times);
            return times[puts / 2];
        }
    }

    private void await(BooleanSupplier condition) {
        long start = ticker.nanos();
        while (!condition.getAsBoolean()) {
            if (ticker.nanos() - start > PATIENCE.toNanos()) {
                throw new Failure("nothing happened for " + PATIENCE, null);
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }
}
