/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import io.balancedllm.cache.semantic.SharedTier.Item;
import io.lettuce.core.Limit;
import io.lettuce.core.Range;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisLoadingException;
import io.lettuce.core.SetArgs;
import io.lettuce.core.StreamMessage;
import io.lettuce.core.XAddArgs;
import io.lettuce.core.XReadArgs;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Two connections to a server, one of which waits for news, and what is said on them. A failed stage means that the
 * connection is of no use any more, but for what the server answered to a single command.
 */
final class Link implements AutoCloseable {
    /** Records read at once. */
    static final int PAGE = 256;
    /** Answers asked for at once: with many large ones, what is on its way stays small. */
    static final int BODIES = 64;
    /** How long a read waits for news; the epoch is looked at as often. */
    static final Duration BLOCK = Duration.ofSeconds(1);
    /** How long a log stays that nobody writes to any more. */
    static final Duration LOG_LIFE = Duration.ofDays(1);

    /** Longer lives are cut to that, and what says that it lives longer is nobody's. */
    static final Duration LONGEST_LIFE = Duration.ofDays(3_650);

    private static final String MEMORY = "memory";
    private static final String TOO_SMALL = "equal or smaller";
    private static final Range<String> ALL = Range.unbounded();
    private static final int MICROS_PER_MILLI = 1_000;

    private final StatefulRedisConnection<String, byte[]> commands;
    private final StatefulRedisConnection<String, byte[]> waiting;
    private final Keys keys;
    private final long maximumEntries;

    Link(
            StatefulRedisConnection<String, byte[]> commands,
            StatefulRedisConnection<String, byte[]> waiting,
            Keys keys,
            long maximumEntries) {
        this.commands = commands;
        this.waiting = waiting;
        this.keys = keys;
        this.maximumEntries = maximumEntries;
    }

    /**
     * The last invalidation of everything.
     *
     * @param id when it was
     * @param memory a mark that is lost when the server loses its data
     * @param by who it was
     */
    record Epoch(StreamId id, String memory, String by) {}

    /** How the server stands. */
    record Standing(@Nullable Epoch epoch, long millis) {}

    /** What is new: the last epoch, if there was one, and records of the log. */
    record News(@Nullable Epoch epoch, List<LogRecord> records) {}

    /** The oldest and the newest record of a log; null when it is empty. */
    record Ends(@Nullable StreamId oldest, @Nullable StreamId newest) {}

    private RedisAsyncCommands<String, byte[]> redis() {
        return commands.async();
    }

    CompletionStage<Standing> standing() {
        RedisFuture<List<byte[]>> time = redis().time();
        return redis().xrevrange(keys.epoch(), ALL, Limit.from(1))
                .thenCombine(
                        time, (last, now) -> new Standing(last.isEmpty() ? null : epoch(last.get(0)), millis(now)));
    }

    private static Epoch epoch(StreamMessage<String, byte[]> message) {
        String memory = LogRecord.text(message.getBody().get(MEMORY));
        String by = LogRecord.text(message.getBody().get(LogRecord.BY));
        if (memory == null || by == null) {
            throw new IllegalStateException("the last record of the epochs is not one of this library");
        }
        return new Epoch(StreamId.parse(message.getId()), memory, by);
    }

    private static long millis(List<byte[]> secondsAndMicros) {
        long seconds = Long.parseLong(String.valueOf(LogRecord.text(secondsAndMicros.get(0))));
        long micros = Long.parseLong(String.valueOf(LogRecord.text(secondsAndMicros.get(1))));
        return seconds * MICROS_PER_MILLI + micros / MICROS_PER_MILLI;
    }

    /** Begins an epoch. {@return its id} */
    CompletionStage<StreamId> flush(String memory, String by) {
        return addEpoch(new XAddArgs(), memory, by).thenApply(StreamId::parse);
    }

    /** Makes an epoch the last one again. {@return false when the server has a later one or the same} */
    CompletionStage<Boolean> raise(StreamId epoch, String memory, String by) {
        return addEpoch(new XAddArgs().id(epoch.toString()), memory, by).handle((id, failure) -> {
            if (failure == null) {
                return true;
            }
            if (String.valueOf(failure.getMessage()).contains(TOO_SMALL)) {
                return false;
            }
            throw failure instanceof RuntimeException e ? e : new CompletionException(failure);
        });
    }

    private CompletionStage<String> addEpoch(XAddArgs args, String memory, String by) {
        return redis().xadd(
                        keys.epoch(),
                        args.maxlen(1),
                        Map.of(MEMORY, LogRecord.bytes(memory), LogRecord.BY, LogRecord.bytes(by)));
    }

    /** Waits a while for what comes after a record of the log and after an epoch. */
    @SuppressWarnings("unchecked") // two offsets of the same kind
    CompletionStage<News> read(StreamId epoch, StreamId after) {
        String log = keys.log(epoch);
        return waiting.async()
                .xread(
                        XReadArgs.Builder.block(BLOCK).count(PAGE),
                        XReadArgs.StreamOffset.from(keys.epoch(), epoch.toString()),
                        XReadArgs.StreamOffset.from(log, after.toString()))
                .thenApply(messages -> {
                    Epoch last = null;
                    List<LogRecord> records = new ArrayList<>();
                    for (StreamMessage<String, byte[]> message : messages) {
                        if (message.getStream().equals(log)) {
                            records.add(LogRecord.parse(StreamId.parse(message.getId()), message.getBody()));
                        } else {
                            last = epoch(message);
                        }
                    }
                    return new News(last, records);
                });
    }

    CompletionStage<Ends> ends(StreamId epoch) {
        String log = keys.log(epoch);
        RedisFuture<List<StreamMessage<String, byte[]>>> oldest = redis().xrange(log, ALL, Limit.from(1));
        return redis().xrevrange(log, ALL, Limit.from(1)).thenCombine(oldest, (last, first) -> {
            return new Ends(onlyId(first), onlyId(last));
        });
    }

    private static @Nullable StreamId onlyId(List<StreamMessage<String, byte[]>> messages) {
        return messages.isEmpty() ? null : StreamId.parse(messages.get(0).getId());
    }

    /** {@return answers by entry; those that have gone are left out} */
    CompletionStage<Map<String, byte[]>> bodies(StreamId epoch, List<String> ids) {
        Map<String, byte[]> found = Collections.synchronizedMap(new HashMap<>());
        CompletionStage<Void> all = CompletableFuture.completedStage(null);
        for (int from = 0; from < ids.size(); from += BODIES) {
            List<String> some = ids.subList(from, Math.min(ids.size(), from + BODIES));
            all = all.thenCompose(before -> redis().mget(
                            some.stream().map(id -> keys.body(epoch, id)).toArray(String[]::new))
                    .thenAccept(values -> {
                        for (int i = 0; i < some.size(); i++) {
                            if (values.get(i).hasValue()) {
                                found.put(some.get(i), values.get(i).getValue());
                            }
                        }
                    }));
        }
        return all.thenApply(done -> found);
    }

    /**
     * Sends parcels, together.
     *
     * @return for each parcel what the server had against it, or an empty text
     */
    CompletionStage<List<String>> send(StreamId epoch, String by, List<Outbox.Parcel> parcels, long nowNanos) {
        String log = keys.log(epoch);
        List<CompletableFuture<String>> answers = new ArrayList<>();
        commands.setAutoFlushCommands(false);
        try {
            for (Outbox.Parcel parcel : parcels) {
                answers.add(
                        parcel instanceof Outbox.Parcel.Put put
                                ? put(epoch, log, by, put.item(), nowNanos)
                                : forget(epoch, log, by, ((Outbox.Parcel.Forget) parcel).ids()));
            }
            answers.add(answer(redis().pexpire(log, LOG_LIFE)));
        } finally {
            commands.flushCommands();
            commands.setAutoFlushCommands(true);
        }
        return CompletableFuture.allOf(answers.toArray(CompletableFuture[]::new))
                .thenApply(done -> answers.subList(0, parcels.size()).stream()
                        .map(CompletableFuture::join)
                        .toList());
    }

    private CompletableFuture<String> put(StreamId epoch, String log, String by, Item item, long nowNanos) {
        long ageNanos = Math.max(0, nowNanos - item.storedNanos());
        long leftMillis = Math.max(1, millis(item.lifeNanos() - ageNanos));
        CompletableFuture<String> body =
                answer(redis().set(keys.body(epoch, item.id()), item.body(), SetArgs.Builder.px(leftMillis)));
        Map<String, byte[]> fields =
                LogRecord.put(by, item.id(), item.head(), millis(ageNanos), millis(item.lifeNanos()));
        return body.thenCombine(answer(add(log, fields)), Link::first);
    }

    private static long millis(long nanos) {
        return Math.min(LONGEST_LIFE.toMillis(), TimeUnit.NANOSECONDS.toMillis(nanos));
    }

    private CompletableFuture<String> forget(StreamId epoch, String log, String by, List<String> ids) {
        CompletableFuture<String> bodies = answer(
                redis().unlink(ids.stream().map(id -> keys.body(epoch, id)).toArray(String[]::new)));
        return bodies.thenCombine(answer(add(log, LogRecord.forget(by, ids))), Link::first);
    }

    private static String first(String one, String other) {
        return one.isEmpty() ? other : one;
    }

    private RedisFuture<String> add(String log, Map<String, byte[]> fields) {
        return redis().xadd(log, new XAddArgs().maxlen(maximumEntries).approximateTrimming(), fields);
    }

    /** What the server had against a command; a server that is only starting is as good as away. */
    private static CompletableFuture<String> answer(RedisFuture<?> command) {
        return command.<String>handle((done, failure) -> {
                    if (failure == null) {
                        return "";
                    }
                    if (failure instanceof RedisCommandExecutionException
                            && !(failure instanceof RedisLoadingException)) {
                        return String.valueOf(failure.getMessage());
                    }
                    throw failure instanceof RuntimeException e ? e : new CompletionException(failure);
                })
                .toCompletableFuture();
    }

    /** Frees a log that was left; whether that works matters to nobody. */
    void drop(StreamId epoch) {
        RedisFuture<Long> unused = redis().unlink(keys.log(epoch));
    }

    @Override
    public void close() {
        CompletableFuture<Void> unused = waiting.closeAsync();
        CompletableFuture<Void> unusedToo = commands.closeAsync();
    }
}
