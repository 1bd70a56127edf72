/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.io.IOException;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;

/** One request with its answer, run by one reader thread; it ends once, by itself or by any other thread. */
abstract class HttpTask implements Runnable {
    private final HttpTransport transport;
    private final String path;
    private volatile @Nullable Exchange exchange;

    HttpTask(HttpTransport transport, String path) {
        this.transport = transport;
        this.path = path;
    }

    /** {@return the request; IllegalArgumentException when it cannot be sent as it is} */
    abstract Exchange exchange();

    /** Reads a successful response and ends the task. */
    abstract void read(Response response) throws IOException;

    /** Ends the task with this failure unless it has ended, and closes its connection. Any thread, never blocks. */
    abstract void fail(LlmException cause);

    abstract boolean hasEnded();

    HttpTransport transport() {
        return transport;
    }

    String path() {
        return path;
    }

    /** Closes the connection. Any thread; to be called when the task has ended. */
    void stop() {
        Exchange running = exchange;
        if (running != null) {
            running.cancel();
        }
    }

    @Override
    public void run() {
        if (hasEnded()) {
            return;
        }
        boolean answered = false;
        try {
            Exchange made = made();
            if (made == null) {
                return;
            }
            try (Response response = made.execute()) {
                answered = true;
                if (response.isSuccessful()) {
                    answer(response);
                } else {
                    fail(transport.refused(response));
                }
            }
        } catch (IOException e) {
            fail(answered ? truncated(e) : transport.unanswered(transport.url(path), e));
        } catch (RuntimeException | Error e) {
            fail(described(LlmException.builder(Reason.INTERNAL_ERROR, "reading the answer failed: " + e)
                    .cause(e)
                    .build()));
            if (e instanceof Error error) {
                throw error;
            }
        }
    }

    /** {@return the exchange, or null when the task has ended} */
    private @Nullable Exchange made() {
        Exchange made;
        try {
            made = exchange();
        } catch (IllegalArgumentException e) {
            // neither its message nor it as the cause: both quote the value
            fail(described(new LlmException(
                    Reason.INVALID_REQUEST, "a header of the attempt has characters that HTTP does not allow")));
            return null;
        }
        exchange = made;
        return hasEnded() ? null : made;
    }

    private void answer(Response response) throws IOException {
        try {
            read(response);
        } catch (LlmException e) {
            fail(described(e));
        }
    }

    private LlmException truncated(IOException e) {
        return described(LlmException.builder(Reason.TRUNCATED, "the answer ended in the middle: " + e.getMessage())
                .cause(e)
                .build());
    }

    private LlmException described(LlmException failure) {
        return transport.described(failure, transport.url(path));
    }
}
