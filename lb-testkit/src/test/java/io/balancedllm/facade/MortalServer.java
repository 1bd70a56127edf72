/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import io.balancedllm.testkit.MockLlmServer;
import io.balancedllm.testkit.MockResponse;
import io.balancedllm.testkit.ServedRequest;
import java.time.Duration;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** A server that misbehaves at random, dies and comes back at the same port. Thread-safe. */
final class MortalServer implements AutoCloseable {
    /** What it answers when it does. */
    static final String STORY = "Once upon a time";

    private final Random random;
    private final int port;
    private @Nullable MockLlmServer server;
    private boolean closed;

    MortalServer(long seed) {
        random = new Random(seed);
        MockLlmServer first = MockLlmServer.start().dispatch(this::answer);
        port = first.port();
        server = first;
    }

    String url() {
        return "http://127.0.0.1:" + port;
    }

    /** Dies with everything it does, or comes back. */
    synchronized void dieOrComeBack() {
        MockLlmServer alive = server;
        if (alive != null) {
            server = null;
            alive.close();
        } else if (!closed) {
            server = MockLlmServer.builder().port(port).start().dispatch(this::answer);
        }
    }

    synchronized void awaitNoConnections(Duration patience) {
        MockLlmServer alive = server;
        if (alive != null) {
            alive.awaitNoConnections(patience);
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        MockLlmServer alive = server;
        if (alive != null) {
            alive.close();
        }
    }

    private int draw(int bound) {
        synchronized (random) {
            return random.nextInt(bound);
        }
    }

    private MockResponse answer(ServedRequest request) {
        if (!request.method().equals("POST")) {
            return draw(20) == 0 ? MockResponse.error(500, "sick", "server_error") : MockResponse.json(200, "{}");
        }
        MockResponse story = MockResponse.chat("Once", " upon", " a time");
        return switch (draw(40)) {
            case 0 -> MockResponse.error(500, "inside", "server_error");
            case 1 -> MockResponse.error(503, "busy", "unavailable_error").header("retry-after-ms", "10");
            case 2 -> MockResponse.error(429, "slow down", "rate_limit_error").header("retry-after-ms", "10");
            case 3 -> story.cutAfter(draw(3)).reset();
            case 4 -> story.cutAfter(draw(3)).hangUp();
            case 5 -> story.cutAfter(draw(3)).stall();
            case 6 -> MockResponse.sse().inBandError("inside", "server_error");
            case 7 -> story.delayHead(Duration.ofMillis(20));
            default -> story;
        };
    }
}
