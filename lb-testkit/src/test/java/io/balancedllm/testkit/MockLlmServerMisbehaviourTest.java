/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What scripts do to a connection, byte by byte, seen by a plain socket. */
class MockLlmServerMisbehaviourTest {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final String ASK = "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";

    private final ManualScheduler scheduler = new ManualScheduler();
    private final MockLlmServer server = MockLlmServer.builder()
            .scheduler(scheduler)
            .ticker(scheduler.ticker())
            .sendBufferBytes(4_096)
            .start();

    @AfterEach
    void close() {
        server.close();
    }

    @Test
    void aCutStreamEndsCleanlyAndKeepsTheConnection() throws Exception {
        server.enqueue(MockResponse.chat("Once", " upon").cutBefore("finish_reason\":\"stop"));
        try (Socket client = ask()) {
            String stream = readUntil(client, "\r\n0\r\n\r\n");
            assertThat(stream).contains("Once").contains(" upon").doesNotContain("[DONE]");
            server.enqueue(MockResponse.text("again"));
            write(client, ASK);
            assertThat(readUntil(client, "[DONE]")).contains("again");
            assertThat(server.connectionCount()).isEqualTo(1);
        }
    }

    @Test
    void hangingUpEndsTheConnectionInsideTheMessage() throws Exception {
        server.enqueue(MockResponse.chat("Once", " upon").cutBefore(" upon").hangUp());
        try (Socket client = ask()) {
            String all = readAll(client);
            assertThat(all).contains("Once").doesNotContain("\r\n0\r\n");
            assertThat(server.takeRequest(PATIENCE).isSent()).isFalse();
            assertThat(server.cancellations()).isEmpty();
        }
    }

    @Test
    void aResetIsAReset() throws Exception {
        server.enqueue(MockResponse.chat("Once").cutBefore("[DONE]").stall().reset());
        try (Socket client = ask()) {
            readUntil(client, "stop");
            server.takeRequest(PATIENCE).awaitStalled(PATIENCE);
            server.release();
            assertThatThrownBy(() -> readAll(client)).isInstanceOf(SocketException.class);
        }
    }

    @Test
    void aLengthMayLie() throws Exception {
        server.enqueue(MockResponse.json(200, "{\"half\":")
                .header("Content-Length", "100")
                .hangUp());
        try (Socket client = ask()) {
            assertThat(readAll(client)).contains("Content-Length: 100\r\n").endsWith("{\"half\":");
        }
    }

    @Test
    void pausesAndDelaysRunOnTheSchedulerGiven() throws Exception {
        server.enqueue(MockResponse.text("a", "b")
                .cutAfter(2)
                .pauseBetween(Duration.ofSeconds(2))
                .delayHead(Duration.ofSeconds(7)));
        try (Socket client = ask()) {
            ServedRequest request = server.takeRequest(PATIENCE);
            scheduler.awaitTimer(MockLlmServer.PAUSE_TIMER);
            assertThat(request.bytesWritten()).isZero();
            scheduler.advance(Duration.ofSeconds(7));
            assertThat(readUntil(client, "\"text\":\"a\"")).startsWith("HTTP/1.1 200");
            scheduler.awaitTimer(MockLlmServer.PAUSE_TIMER);
            scheduler.advance(Duration.ofSeconds(2));
            assertThat(readUntil(client, "\r\n0\r\n\r\n")).contains("\"text\":\"b\"");
        }
    }

    @Test
    void aStalledHeadComesWhenReleased() throws Exception {
        server.enqueue(MockResponse.text("late").stallHead());
        try (Socket client = ask()) {
            ServedRequest request = server.takeRequest(PATIENCE);
            request.awaitStalled(PATIENCE);
            assertThat(request.bytesWritten()).isZero();
            server.release();
            assertThat(readUntil(client, "[DONE]")).contains("late");
        }
    }

    @Test
    void commentsNamedEventsAndErrorsStandWhereTheyWerePut() throws Exception {
        server.enqueue(MockResponse.sse()
                .comment("keep-alive")
                .then(MockResponse.text("a").cutAfter(1))
                .event("error", "{\"message\":\"x\"}")
                .inBandError("engine died", "internal")
                .bytes("data: torn".getBytes(StandardCharsets.UTF_8))
                .untilClose());
        try (Socket client = ask()) {
            String all = readAll(client);
            assertThat(all.substring(all.indexOf("\r\n\r\n") + 4))
                    .startsWith(": keep-alive\n\ndata: {\"id\"")
                    .contains("event: error\ndata: {\"message\":\"x\"}\n\n"
                            + "data: {\"error\":{\"message\":\"engine died\",\"type\":\"internal\"")
                    .endsWith("data: torn");
            assertThat(all).contains("Connection: close").doesNotContain("Content-Length");
        }
    }

    @Test
    void bytesAreSplitWhereAsked() throws Exception {
        server.enqueue(
                MockResponse.sse().data("é").splitEvery(1),
                MockResponse.sse().data("abcdef").splitAt(3, 8),
                MockResponse.sse().data("a").data("b").splitAt(10));
        try (Socket client = ask()) {
            String bytes = readUntil(client, "\r\n0\r\n\r\n");
            assertThat(bytes.split("\r\n1\r\n", -1)).hasSize(11); // 10 bytes: "data: ", é in two, two line ends
            write(client, ASK);
            assertThat(readUntil(client, "\r\n0\r\n\r\n"))
                    .contains("\r\n\r\n3\r\ndat\r\n5\r\na: ab\r\n6\r\ncdef\n\n\r\n0");
            write(client, ASK);
            assertThat(readUntil(client, "\r\n0\r\n\r\n"))
                    .contains("\r\n\r\n9\r\ndata: a\n\n\r\n1\r\nd\r\n8\r\nata: b\n\n\r\n0");
        }
    }

    @Test
    void rawBytesAreAllThereIs() throws Exception {
        server.enqueue(MockResponse.raw("SSH-2.0-nonsense\r\n".getBytes(StandardCharsets.UTF_8)));
        try (Socket client = ask()) {
            assertThat(readAll(client)).isEqualTo("SSH-2.0-nonsense\r\n");
        }
    }

    @Test
    void aClientThatGoesAwayIsSeenAndTimed() throws Exception {
        server.enqueue(MockResponse.chat("Once").cutBefore("[DONE]").mark().stall());
        ServedRequest request;
        try (Socket client = ask()) {
            readUntil(client, "Once");
            request = server.takeRequest(PATIENCE);
            request.awaitStalled(PATIENCE);
            scheduler.advance(Duration.ofMillis(40));
            request.mark();
            scheduler.advance(Duration.ofMillis(60));
            assertThat(request.cancelledAfter()).isEmpty();
        }
        assertThat(request.awaitCancelled(PATIENCE)).isEqualTo(Duration.ofMillis(60));
        assertThat(server.cancellations()).containsExactly(request);
        server.awaitNoConnections(PATIENCE);
    }

    @Test
    void aClientThatResetsBeforeTheHeadIsSeen() throws Exception {
        server.enqueue(MockResponse.chat("Once").stallHead());
        ServedRequest request;
        try (Socket client = ask()) {
            request = server.takeRequest(PATIENCE);
            request.awaitStalled(PATIENCE);
            client.setSoLinger(true, 0);
        }
        request.awaitCancelled(PATIENCE);
        assertThat(request.bytesWritten()).isZero();
    }

    @Test
    void aClientThatClosesBehindTheLastEventHasNotCancelled() throws Exception {
        server.dispatch(request -> MockResponse.chat("Once"));
        for (int i = 0; i < 50; i++) {
            try (Socket client = ask()) {
                readUntil(client, "[DONE]");
            }
            server.takeRequest(PATIENCE).awaitSent(PATIENCE);
        }
        assertThat(server.cancellations()).isEmpty();
    }

    @Test
    void anEndlessStreamStopsWhereItsReaderDoes() throws Exception {
        server.enqueue(MockResponse.sse().endless("x".repeat(1_000)));
        ServedRequest request;
        try (Socket client = new Socket()) {
            client.setReceiveBufferSize(4_096);
            client.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()));
            write(client, ASK);
            request = server.takeRequest(PATIENCE);
            assertThat(request.awaitBytesWritten(4_096, PATIENCE)).isTrue();
            assertThat(request.awaitBytesWritten(50_000_000, Duration.ofMillis(300)))
                    .as("bytes nobody reads")
                    .isFalse();
            long stopped = request.bytesWritten();
            InputStream in = client.getInputStream();
            assertThat(in.readNBytes((int) stopped + 100_000)).hasSize((int) stopped + 100_000);
        }
        request.awaitCancelled(PATIENCE);
    }

    @Test
    void malformedRequestsAreRefusedAndHarmNobody() throws Exception {
        for (String nonsense : new String[] {
            "\r\n\r\n",
            "GET\r\n\r\n",
            "GET / SPDY/9\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "GET /" + "x".repeat(70_000)
        }) {
            try (Socket client = connect()) {
                write(client, nonsense);
                client.shutdownOutput();
                assertThat(readAll(client)).as(nonsense).startsWith("HTTP/1.1 400");
            }
        }
        try (Socket client = ask()) {
            assertThat(readUntil(client, "}}")).contains("invalid_request_error");
        }
    }

    @Test
    void survivesClientsThatLeaveAtAnyMoment() throws Exception {
        Random random = new Random(7);
        for (int i = 0; i < 100; i++) {
            server.dispatch(request -> MockResponse.chat("a", "b", "c").splitEvery(5));
            try (Socket client = connect()) {
                write(client, ASK.substring(0, random.nextInt(ASK.length() + 1)));
                if (random.nextBoolean()) {
                    client.setSoLinger(true, 0);
                }
            }
        }
        server.awaitNoConnections(PATIENCE);
        try (Socket client = ask()) {
            assertThat(readUntil(client, "]")).contains("HTTP/1.1 200");
        }
    }

    @Test
    void readsChunkedBodiesAndSaysContinue() throws Exception {
        try (Socket client = connect()) {
            write(client, "POST /x HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
            assertThat(readUntil(client, "\r\n\r\n")).startsWith("HTTP/1.1 100");
            write(client, "3\r\n{\"a\r\n4;ext\r\n\":1}\r\n0\r\n\r\n");
            readUntil(client, "}}");
            assertThat(server.takeRequest(PATIENCE).body()).isEqualTo("{\"a\":1}");
        }
    }

    @Test
    void closingLeavesNoThreadWhateverGoesOn() throws Exception {
        server.dispatch(request -> MockResponse.sse().data("x").stall());
        try (Socket idle = connect();
                Socket half = connect();
                Socket stalled = ask()) { // accepted in this order, so the first two are when this one is answered
            write(half, "POST / HT");
            server.takeRequest(PATIENCE).awaitStalled(PATIENCE);
            assertThat(threads()).hasSize(7);
            server.close();
            server.close();
            assertThat(threads()).isEmpty();
            assertThat(server.openConnections()).isZero();
            assertThat(server.cancellations()).isEmpty();
            assertThat(stalled.isClosed() || idle.isClosed()).isFalse();
        }
    }

    private Set<String> threads() {
        String prefix = "mock-llm-" + server.port() + "-";
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.startsWith(prefix))
                .collect(Collectors.toSet());
    }

    private Socket connect() throws IOException {
        return new Socket(InetAddress.getLoopbackAddress(), server.port());
    }

    private Socket ask() throws IOException {
        Socket client = connect();
        write(client, ASK);
        return client;
    }

    private static void write(Socket client, String text) throws IOException {
        OutputStream out = client.getOutputStream();
        out.write(text.getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    private static String readAll(Socket client) throws IOException {
        client.setSoTimeout((int) PATIENCE.toMillis());
        return new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    private static String readUntil(Socket client, String end) throws IOException {
        client.setSoTimeout((int) PATIENCE.toMillis());
        StringBuilder text = new StringBuilder();
        InputStream in = client.getInputStream();
        while (text.indexOf(end) < 0) {
            int next = in.read();
            if (next < 0) {
                throw new IOException("the server closed behind: " + text);
            }
            text.append((char) next);
        }
        return text.toString();
    }
}
