/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import io.balancedllm.cache.semantic.SharedTier;
import io.balancedllm.time.RandomSource;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Shares a cache by way of Redis (5 or newer) or Valkey: a stream is the log, keys beside it that expire are the answers.
 * Thread-safe; needs {@code io.lettuce:lettuce-core}, which the module leaves to its user.
 *
 * <pre>{@code
 * SemanticCache.builder(embedder)
 *         .shared(RedisTier.builder("rediss://cache.example.com:6380")
 *                 .credentials("llm", () -> password)
 *                 .build())
 *         .build();
 * }</pre>
 *
 * <p>Everything happens on threads of the tier. While there is no connection the cache is alone; the tier tries again
 * after {@link #FIRST_PAUSE}, then less often, up to {@link #LONGEST_PAUSE}, and then catches up both ways. Not for a
 * Redis Cluster. Whoever can write to the keys decides what the caches answer, and whoever can read them reads prompts and
 * answers in the clear: keep them behind a password and TLS. One tier serves one cache.
 */
public final class RedisTier implements SharedTier {
    /** What the names of all keys begin with. */
    public static final String DEFAULT_PREFIX = "balancedllm";
    /** Records that the log keeps; the server trims it to about that. */
    public static final int DEFAULT_MAXIMUM_ENTRIES = 20_000;

    /** Bytes of an answer that is shared; a larger one stays in its process. */
    static final int MAX_BODY_BYTES = 256 << 10;
    /** How long a connection may take, and an answer to a command. */
    static final Duration TIMEOUT = Duration.ofSeconds(3);
    /** Until the second try to connect. */
    static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    /** Between two tries at most. */
    static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);
    /** Share by which a pause may be longer, so that not all processes come back at once. */
    static final double JITTER = 0.2;

    private static final int IDLE_SECONDS = 10;
    private static final String LIBRARY = "io.lettuce.core.RedisClient";
    private static final Logger LOG = LoggerFactory.getLogger(RedisTier.class);

    private final Connector connector;
    private final RandomGenerator random = RandomSource.system();
    private final Tallies tallies = new Tallies();
    private final Outbox outbox = new Outbox(tallies.dropped);
    private final AtomicBoolean started = new AtomicBoolean();
    private final AtomicBoolean closed = new AtomicBoolean();
    private final AtomicBoolean sendQueued = new AtomicBoolean();
    /** The tier's thread. What it is given is one thing for each connection, timer or answer, so its queue stays short. */
    private final ThreadPoolExecutor loop;

    private @Nullable Session session;
    private int failures;

    RedisTier(Connector connector) {
        this.connector = connector;
        this.loop = new ThreadPoolExecutor(1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
            Thread thread = new Thread(task, "semantic-cache-redis");
            thread.setDaemon(true);
            return thread;
        });
        loop.allowCoreThreadTimeOut(true);
    }

    /**
     * {@return a builder}
     *
     * @param uri {@code redis://host:port/database}, or {@code rediss://} for TLS; port and database may be left out, and
     *     it carries no password
     * @throws IllegalArgumentException when it is not such a URI
     * @throws IllegalStateException when Lettuce is missing
     */
    public static RedisTierBuilder builder(String uri) {
        require(RedisTier.class.getClassLoader());
        return new RedisTierBuilder(URI.create(uri));
    }

    /** Says whether the library is missing. */
    static void require(@Nullable ClassLoader loader) {
        try {
            Class.forName(LIBRARY, false, loader);
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(
                    "RedisTier needs Lettuce: add io.lettuce:lettuce-core to the class path", e);
        }
    }

    @Override
    public void start(Follower follower, Ticker ticker, Scheduler scheduler) {
        if (!started.compareAndSet(false, true)) {
            throw new IllegalStateException("a tier serves one cache, and this one has one");
        }
        Position position = new Position(random, ticker.nanos(), follower.epoch());
        execute(() -> connect(new Life(follower, ticker, scheduler, position)));
    }

    /** What a tier is given when it starts. */
    private record Life(Follower follower, Ticker ticker, Scheduler scheduler, Position position) {}

    private void connect(Life life) {
        var unused = connector
                .connect(life.follower.space())
                .whenCompleteAsync(
                        (link, failure) -> {
                            if (link == null) {
                                away(life, failure == null ? new IllegalStateException("no connection") : failure);
                            } else if (closed.get()) {
                                link.close();
                            } else {
                                begin(life, link);
                            }
                        },
                        loop);
    }

    private void begin(Life life, Link link) {
        tallies.connections.increment();
        session = new Session(
                new Session.Tools(
                        life.follower,
                        outbox,
                        tallies,
                        life.ticker,
                        loop,
                        this::following,
                        failure -> away(life, failure)),
                link,
                life.position);
        session.begin();
    }

    private void following() {
        if (failures > 0) {
            LOG.info("{} is back, after {} tries", connector, failures);
        }
        failures = 0;
        tallies.trouble("");
        tallies.state(State.FOLLOWING);
    }

    private void away(Life life, Throwable failure) {
        session = null;
        if (closed.get()) {
            return;
        }
        tallies.state(State.AWAY);
        String trouble = Connector.trouble(failure);
        if (!trouble.equals(tallies.trouble())) {
            LOG.warn("{} is away, the cache is alone until it is back: {}", connector, trouble);
            tallies.trouble(trouble);
        }
        long doubled = FIRST_PAUSE.toNanos() << Math.min(failures, Byte.SIZE);
        double jitter = 1 + JITTER * random.nextDouble();
        failures++;
        life.scheduler.schedule(
                "redis connection",
                (long) (jitter * Math.min(LONGEST_PAUSE.toNanos(), doubled)),
                () -> execute(() -> connect(life)));
    }

    private void execute(Runnable task) {
        if (!closed.get()) {
            try {
                loop.execute(task);
            } catch (RejectedExecutionException e) {
                LOG.debug("closed meanwhile");
            }
        }
    }

    @Override
    public void put(Item item) {
        if (item.body().length > MAX_BODY_BYTES || closed.get()) {
            tallies.dropped.increment();
            return;
        }
        outbox.add(new Outbox.Parcel.Put(item));
        sendSoon();
    }

    @Override
    public void forget(long epoch, List<String> ids) {
        for (int from = 0; from < ids.size(); from += Link.PAGE) {
            outbox.add(new Outbox.Parcel.Forget(
                    epoch, List.copyOf(ids.subList(from, Math.min(ids.size(), from + Link.PAGE)))));
        }
        sendSoon();
    }

    @Override
    public void forgetAll(long epoch) {
        outbox.flush(epoch);
        sendSoon();
    }

    private void sendSoon() {
        if (sendQueued.compareAndSet(false, true)) {
            execute(() -> {
                sendQueued.set(false);
                Session current = session;
                if (current != null) {
                    current.send();
                }
            });
        }
    }

    @Override
    public Statistics statistics() {
        return tallies.statistics(outbox.size());
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            tallies.state(State.CLOSED);
            loop.shutdownNow();
            connector.close();
        }
    }

    /** {@return where the server is, without the password} */
    @Override
    public String toString() {
        return "RedisTier{" + connector + "}";
    }
}
