/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.undertow.connector.PooledByteBuffer;
import io.undertow.server.AbstractServerConnection;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.protocol.http.HttpServerConnection;
import java.io.IOException;
import org.xnio.conduits.StreamSourceConduit;

/**
 * Notices that a client has gone while its answer is being generated. Undertow reads nothing between a request and the
 * end of its response, and a write fails only after the peer has answered an earlier one with a reset, which takes two
 * tokens of a stream and the whole of an answer that is not streamed. So this reads: the end of the stream is the
 * client's leave, anything else is a pipelined request and is put back.
 *
 * <p>A client that closes only its sending half counts as gone, as with the engines this worker stands in for.
 */
final class Disconnect {
    private final HttpServerConnection connection;
    private final StreamSourceConduit source;
    private final Runnable onDisconnect;
    private boolean ended; // guarded by this

    private Disconnect(HttpServerConnection connection, Runnable onDisconnect) {
        this.connection = connection;
        this.source = ((AbstractServerConnection) connection).getOriginalSourceConduit();
        this.onDisconnect = onDisconnect;
    }

    /**
     * Watches the connection of an exchange whose request has been read to its end. End the watch before the last
     * bytes of the response are written: after them the connection belongs to the next request.
     *
     * @param onDisconnect runs at most once, on an I/O thread, so it must not block
     */
    static Disconnect watch(HttpServerExchange exchange, Runnable onDisconnect) {
        Disconnect watch = new Disconnect((HttpServerConnection) exchange.getConnection(), onDisconnect);
        watch.connection.getIoThread().execute(watch::begin);
        return watch;
    }

    private synchronized void begin() {
        if (!ended) {
            connection.getChannel().getSourceChannel().setReadListener(channel -> look());
            source.resumeReads();
        }
    }

    private void look() {
        if (hasGone()) {
            onDisconnect.run();
        }
    }

    private synchronized boolean hasGone() {
        if (ended) {
            return false;
        }
        PooledByteBuffer bytes = connection.getByteBufferPool().allocate();
        int count = read(bytes);
        if (count > 0) {
            bytes.getBuffer().flip();
            connection.ungetRequestBytes(bytes);
        } else {
            bytes.close();
        }
        if (count != 0) {
            end();
        }
        return count < 0;
    }

    private int read(PooledByteBuffer bytes) {
        try {
            return source.read(bytes.getBuffer());
        } catch (IOException reset) {
            return -1;
        }
    }

    /** Ends the watch. After the return nothing is read any more. Idempotent. */
    synchronized void end() {
        if (!ended) {
            ended = true;
            source.suspendReads();
        }
    }
}
