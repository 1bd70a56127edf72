/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A request a {@link MockLlmServer} got, and what becomes of its answer, live. Thread-safe.
 *
 * <pre>{@code
 * ServedRequest request = server.takeRequest(Duration.ofSeconds(10));
 * request.mark();                                                      // now cancel the call ...
 * assertThat(request.awaitCancelled(Duration.ofSeconds(10))).isLessThan(Duration.ofMillis(100));
 * }</pre>
 *
 * <p>Cancelled means: the client closed or reset its side while something was left to send. Waiting takes real time; the
 * times measured are those of the server's ticker.
 */
public final class ServedRequest {
    private enum End {
        SENT,
        CANCELLED,
        BROKEN_OFF
    }

    private final String method;
    private final String target;
    private final Map<String, String> headers;
    private final String body;
    private final int connection;
    private final Monitor monitor;
    private final Ticker ticker;
    // All of these under the monitor.
    private long markNanos;
    private boolean marked;
    private boolean answering;
    private boolean lastWrite;
    private boolean stalled;
    private long bytesWritten;
    private long endNanos;
    private @Nullable End end;

    ServedRequest(
            String method,
            String target,
            Map<String, String> headers,
            String body,
            int connection,
            Monitor monitor,
            Ticker ticker) {
        this.method = method;
        this.target = target;
        this.headers = headers;
        this.body = body;
        this.connection = connection;
        this.monitor = monitor;
        this.ticker = ticker;
        this.markNanos = ticker.nanos();
    }

    /** {@return the HTTP method} */
    public String method() {
        return method;
    }

    /** {@return the path, without the query} */
    public String path() {
        int query = target.indexOf('?');
        return query < 0 ? target : target.substring(0, query);
    }

    /** {@return path and query as they were sent} */
    public String target() {
        return target;
    }

    /** {@return the headers by lower-case name; of several with one name the last} */
    public Map<String, String> headers() {
        return headers;
    }

    /** {@return a header's value, if it was sent} */
    public Optional<String> header(String name) {
        return Optional.ofNullable(headers.get(name.toLowerCase(Locale.ROOT)));
    }

    /** {@return the body as UTF-8; empty when there is none} */
    public String body() {
        return body;
    }

    /**
     * {@return the body as JSON values: maps, lists, strings, numbers, booleans, null}
     *
     * @throws IllegalStateException when it is not a JSON object
     */
    public Map<String, @Nullable Object> json() {
        Map<String, @Nullable Object> json = OpenAiAnswers.parse(body);
        if (json == null) {
            throw new IllegalStateException("the body of " + this + " is not a JSON object: " + body);
        }
        return json;
    }

    /** {@return the number of the connection it came on, from 1} */
    public int connection() {
        return connection;
    }

    /** {@return bytes handed to the socket so far, head and HTTP framing included} */
    public long bytesWritten() {
        return monitor.read(() -> bytesWritten);
    }

    /** {@return whether the whole answer was sent} */
    public boolean isSent() {
        return monitor.read(() -> end == End.SENT);
    }

    /** {@return whether the client went away before the whole answer was sent} */
    public boolean isCancelled() {
        return monitor.read(() -> end == End.CANCELLED);
    }

    /** Starts the clock of {@link #cancelledAfter} now. */
    public void mark() {
        long now = ticker.nanos();
        monitor.update(() -> {
            markNanos = now;
            marked = true;
        });
    }

    /** {@return the time from the mark, else from the first byte of the answer, to the client's going away, if it did} */
    public Optional<Duration> cancelledAfter() {
        return monitor.read(
                () -> end == End.CANCELLED ? Optional.of(Duration.ofNanos(endNanos - markNanos)) : Optional.empty());
    }

    /**
     * Waits for the client to go away.
     *
     * @param patience how long
     * @return what {@link #cancelledAfter} says then
     * @throws AssertionError when it does not, or the answer ends otherwise
     */
    public Duration awaitCancelled(Duration patience) {
        awaitOrFail("cancelled", patience, () -> end != null);
        return cancelledAfter().orElseThrow(() -> new AssertionError("not cancelled: " + this));
    }

    /**
     * Waits for the whole answer to be sent.
     *
     * @param patience how long
     * @throws AssertionError when it is not
     */
    public void awaitSent(Duration patience) {
        awaitOrFail("sent", patience, () -> end != null);
        if (!isSent()) {
            throw new AssertionError("not sent: " + this);
        }
    }

    /**
     * Waits for the answer to stall, as its script says.
     *
     * @param patience how long
     * @throws AssertionError when it does not
     */
    public void awaitStalled(Duration patience) {
        awaitOrFail("stalled", patience, () -> stalled);
    }

    /**
     * {@return whether so many bytes get written}; false is how back-pressure looks: the client does not read, so the
     * server cannot write
     *
     * @param bytes how many in all, head and HTTP framing included
     * @param patience how long to wait for them
     */
    public boolean awaitBytesWritten(long bytes, Duration patience) {
        return monitor.await(patience, () -> bytesWritten >= bytes);
    }

    private void awaitOrFail(String what, Duration patience, BooleanSupplier condition) {
        if (!monitor.await(patience, condition)) {
            throw new AssertionError("not " + what + " within " + patience + ": " + this);
        }
    }

    void wrote(int bytes) {
        long now = ticker.nanos();
        monitor.update(() -> {
            bytesWritten += bytes;
            if (!answering && !marked) {
                markNanos = now;
            }
            answering = true;
        });
    }

    void stalled(boolean now) {
        monitor.update(() -> stalled = now);
    }

    /** From here on the client may have all it needs: its going away is no cancel. */
    void lastWriteBegins() {
        monitor.update(() -> lastWrite = true);
    }

    void ended(boolean whole) {
        end(whole ? End.SENT : End.BROKEN_OFF);
    }

    void clientGone() {
        if (!monitor.read(() -> lastWrite)) {
            end(End.CANCELLED);
        }
    }

    void clientGoneWhileWriting() {
        end(End.CANCELLED);
    }

    private void end(End how) {
        long now = ticker.nanos();
        monitor.update(() -> {
            if (end == null) {
                end = how;
                endNanos = now;
            }
        });
    }

    @Override
    public String toString() {
        return monitor.read(() -> method + " " + target + " on connection " + connection + " ("
                + (end != null ? end.name().toLowerCase(Locale.ROOT) : stalled ? "stalled" : "in progress") + ", "
                + bytesWritten + " bytes written)");
    }
}
