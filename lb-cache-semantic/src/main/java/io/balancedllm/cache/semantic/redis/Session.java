/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import io.balancedllm.cache.semantic.SharedTier;
import io.balancedllm.time.Ticker;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What a tier does on one connection, until that fails: it finds out which epoch the server is in, follows that epoch's
 * log, and sends what waits in the outbox. Everything happens on the tier's thread.
 *
 * <p>Epochs are ordered. A server with an earlier epoch than ours has lost data, and is told ours: an invalidation that
 * was made once stays made. When all its data was lost, entries are kept, since nothing says that they are wrong; when
 * the log was cut off beyond what was read, everything is forgotten, since an invalidation may have been cut off too.
 */
final class Session {
    /** Parcels sent together. */
    static final int BATCH = 64;

    private final Tools tools;
    private final Link link;
    private final Position position;
    /** What the server's clock is ahead of ours, in milliseconds. */
    private long aheadMillis;

    private long lookedNanos;
    private boolean following;
    private boolean sending;
    /** The epoch of the cache whose beginning is being told. */
    private OptionalLong flushing = OptionalLong.empty();

    private List<Outbox.Parcel> underWay = List.of();
    private boolean over;

    /**
     * What a session works with.
     *
     * @param failed told of the end of the session, once
     */
    record Tools(
            SharedTier.Follower follower,
            Outbox outbox,
            Tallies tallies,
            Ticker ticker,
            Executor loop,
            Runnable began,
            Consumer<Throwable> failed) {}

    Session(Tools tools, Link link, Position position) {
        this.tools = tools;
        this.link = link;
        this.position = position;
    }

    void begin() {
        look(() -> closeGap(this::follow));
    }

    private void follow() {
        following = true;
        tools.began().run();
        send();
        read();
    }

    /** Ends the session; what was under way waits for the next one. */
    void end() {
        if (!over) {
            over = true;
            tools.outbox().putBack(underWay);
            link.close();
        }
    }

    private void fail(Throwable failure) {
        if (!over) {
            end();
            tools.failed().accept(failure);
        }
    }

    private <T> void then(CompletionStage<T> stage, Consumer<T> next) {
        CompletionStage<T> unused = stage.whenCompleteAsync(
                (value, failure) -> {
                    if (over) {
                        return;
                    }
                    if (failure != null) {
                        fail(failure);
                        return;
                    }
                    try {
                        next.accept(value);
                    } catch (RuntimeException e) {
                        fail(e);
                    }
                },
                tools.loop());
    }

    // ---- which epoch it is ----

    private void look(Runnable next) {
        then(link.standing(), standing -> {
            long now = tools.ticker().nanos();
            lookedNanos = now;
            aheadMillis = standing.millis() - TimeUnit.NANOSECONDS.toMillis(now);
            Link.Epoch server = standing.epoch();
            Link.Epoch mine = position.epoch;
            if (server == null || (mine != null && mine.id().isAfter(server.id()))) {
                raise(mine == null ? StreamId.FIRST : mine.id(), server, next);
                return;
            }
            if (mine == null) {
                meet(server, standing.millis());
            } else if (server.id().isAfter(mine.id())) {
                epochBegan(server);
            } else if (!server.memory().equals(mine.memory())) {
                position.follow(server, position.adopted);
            }
            next.run();
        });
    }

    /** The first look: an invalidation made since the cache began is meant for what it has stored so far. */
    private void meet(Link.Epoch server, long serverMillis) {
        long ageMillis = TimeUnit.NANOSECONDS.toMillis(tools.ticker().nanos() - position.madeNanos);
        if (server.id().millis() >= serverMillis - ageMillis) {
            forgetAll(server);
        } else {
            position.follow(server, position.adopted);
        }
    }

    private void raise(StreamId epoch, Link.@Nullable Epoch server, Runnable next) {
        String memory = server == null ? position.newMark() : server.memory();
        then(link.raise(epoch, memory, position.instance), raised -> {
            if (raised) {
                position.follow(new Link.Epoch(epoch, memory, position.instance), position.adopted);
                next.run();
            } else {
                look(next);
            }
        });
    }

    private void forgetAll(Link.Epoch server) {
        Link.Epoch left = position.epoch;
        tools.tallies().flushes.increment();
        position.follow(server, tools.follower().forgetAll());
        if (left != null && !left.id().equals(server.id())) {
            link.drop(left.id());
        }
    }

    /** Whether everything that was written since the last connection is still there to be read. */
    private void closeGap(Runnable next) {
        Link.Epoch at = position.followed();
        StreamId read = position.read;
        if (read.equals(StreamId.ZERO)) {
            next.run();
            return;
        }
        then(link.ends(at.id()), ends -> {
            if (at.equals(position.epoch)) {
                if (ends.oldest() == null || ends.newest() == null) {
                    position.read = StreamId.ZERO;
                } else if (ends.oldest().isAfter(read)) {
                    forgetAll(at);
                } else if (read.isAfter(ends.newest())) {
                    position.read = ends.newest();
                }
            }
            next.run();
        });
    }

    // ---- what others say ----

    private void read() {
        Link.Epoch at = position.followed();
        StreamId after = position.read;
        then(link.read(at.id(), after), news -> {
            Link.Epoch newest = news.epoch();
            if (newest != null && newest.id().isAfter(position.followed().id())) {
                epochBegan(newest);
            }
            if (!at.equals(position.epoch) || news.records().isEmpty()) {
                readOn();
            } else if (news.records().size() == Link.PAGE) {
                closeGap(() -> fetch(at, news.records())); // so far behind that the log may have been cut off
            } else {
                fetch(at, news.records());
            }
        });
    }

    private void readOn() {
        if (tools.ticker().nanos() - lookedNanos >= Link.BLOCK.toNanos()) {
            look(this::read);
        } else {
            read();
        }
    }

    private void epochBegan(Link.Epoch newest) {
        if (newest.by().equals(position.instance) && flushing.isPresent()) {
            flushed(newest, flushing.getAsLong());
        } else {
            forgetAll(newest);
        }
    }

    private void fetch(Link.Epoch at, List<LogRecord> records) {
        if (!at.equals(position.epoch)) {
            readOn();
            return;
        }
        Set<String> ids = new HashSet<>();
        for (LogRecord record : records) {
            if (record instanceof LogRecord.Put put && isOfOthers(put)) {
                ids.add(put.id());
            }
        }
        then(link.bodies(at.id(), List.copyOf(ids)), bodies -> {
            boolean current = at.equals(position.epoch);
            if (current) {
                position.read = records.get(records.size() - 1).at();
            }
            readOn(); // the next ones are on their way while these are taken
            if (current) {
                records.forEach(record -> take(record, bodies));
            }
        });
    }

    private boolean isOfOthers(LogRecord.Put put) {
        return !put.by().equals(position.instance);
    }

    private void take(LogRecord record, Map<String, byte[]> bodies) {
        if (record instanceof LogRecord.Forget forget) {
            tools.follower().forget(forget.ids());
        } else if (record instanceof LogRecord.Put put) {
            if (isOfOthers(put)) {
                take(put, bodies.get(put.id()));
            }
        } else {
            tools.tallies().ignored(record.at());
        }
    }

    private void take(LogRecord.Put put, byte @Nullable [] body) {
        long now = tools.ticker().nanos();
        long sinceMillis =
                TimeUnit.NANOSECONDS.toMillis(now) + aheadMillis - put.at().millis();
        long ageMillis = put.ageMillis() + Math.max(0, sinceMillis);
        if (body == null || ageMillis >= put.lifeMillis()) {
            tools.tallies().absent.increment();
            return;
        }
        boolean whole = body.length <= RedisTier.MAX_BODY_BYTES
                && tools.follower()
                        .put(new SharedTier.Item(
                                put.id(),
                                put.head(),
                                body,
                                now - TimeUnit.MILLISECONDS.toNanos(ageMillis),
                                TimeUnit.MILLISECONDS.toNanos(put.lifeMillis()),
                                position.adopted));
        if (whole) {
            tools.tallies().received.increment();
        } else {
            tools.tallies().ignored(put.at());
        }
    }

    // ---- what this cache says ----

    /** Sends what waits, unless something is being sent: then it goes on with that. */
    void send() {
        if (!following || sending || over) {
            return;
        }
        flushing = tools.outbox().owedFlush();
        if (flushing.isPresent()) {
            sending = true;
            String memory = position.followed().memory();
            then(link.flush(memory, position.instance), id -> {
                flushed(new Link.Epoch(id, memory, position.instance), flushing.getAsLong());
                sent();
            });
            return;
        }
        underWay = unexpired(tools.outbox().take(BATCH, tools.follower().epoch()));
        if (!underWay.isEmpty()) {
            sending = true;
            Link.Epoch at = position.followed();
            long now = tools.ticker().nanos();
            then(link.send(at.id(), position.instance, underWay, now), this::answered);
        }
    }

    private void sent() {
        sending = false;
        send();
    }

    /** An entry that the server refuses is dropped, an invalidation is sent again: later, when there may be room for it. */
    private void answered(List<String> refusals) {
        List<Outbox.Parcel> again = new ArrayList<>();
        String why = "";
        for (int i = 0; i < refusals.size(); i++) {
            if (refusals.get(i).isEmpty()) {
                tools.tallies().sent.increment();
            } else if (underWay.get(i) instanceof Outbox.Parcel.Forget) {
                again.add(underWay.get(i));
                why = refusals.get(i);
            } else {
                tools.tallies().refused(refusals.get(i));
            }
        }
        underWay = again;
        if (again.isEmpty()) {
            sent();
        } else {
            fail(new IllegalStateException("the server refused an invalidation: " + why));
        }
    }

    private List<Outbox.Parcel> unexpired(List<Outbox.Parcel> parcels) {
        long now = tools.ticker().nanos();
        List<Outbox.Parcel> kept = new ArrayList<>();
        for (Outbox.Parcel parcel : parcels) {
            if (parcel instanceof Outbox.Parcel.Put put
                    && now - put.item().storedNanos() >= put.item().lifeNanos()) {
                tools.tallies().dropped.increment();
            } else {
                kept.add(parcel);
            }
        }
        return kept;
    }

    /** Everything was invalidated by this cache itself, which has nothing left to forget. */
    private void flushed(Link.Epoch made, long epoch) {
        tools.outbox().flushed(epoch);
        Link.Epoch left = position.followed();
        if (made.id().isAfter(left.id())) {
            position.follow(made, epoch);
            tools.tallies().sent.increment();
            link.drop(left.id());
        }
    }
}
