/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.EndpointStatus;
import io.balancedllm.testkit.ManualScheduler;
import io.balancedllm.testkit.ScriptedBackend;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class RegistrarTest {
    private static final String TOKEN = "correct horse";
    private static final String WORKER = "{\"id\": \"w\", \"url\": \"http://127.0.0.1:8000\"}";

    private final ManualScheduler timers = new ManualScheduler();
    private final Watched watched = new Watched();
    private final HttpClient client = HttpClient.newHttpClient();
    private final List<EndpointRegistrar> opened = new ArrayList<>();

    private EndpointRegistrar open(EndpointRegistrar.Builder builder) throws IOException {
        EndpointRegistrar registrar = builder.scheduler(timers).open();
        opened.add(registrar);
        registrar.start(watched);
        return registrar;
    }

    private EndpointRegistrar open() throws IOException {
        return open(EndpointRegistrar.builder().token(TOKEN));
    }

    @AfterEach
    void close() {
        opened.forEach(EndpointRegistrar::close);
    }

    private HttpResponse<String> post(EndpointRegistrar registrar, String path, String token, String body)
            throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + registrar.port() + path))
                .header("Authorization", "Bearer " + token)
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        return client.send(request, HttpResponse.BodyHandlers.ofString());
    }

    private String register(EndpointRegistrar registrar, String worker) throws Exception {
        HttpResponse<String> answer = post(registrar, "/v1/endpoints", TOKEN, worker);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(201);
        Matcher lease = Pattern.compile("\"lease\":\"([^\"]+)\"").matcher(answer.body());
        assertThat(lease.find()).isTrue();
        return lease.group(1);
    }

    private int beat(EndpointRegistrar registrar, String lease, int number) throws Exception {
        String body = "{\"lease\": \"" + lease + "\", \"number\": " + number
                + ", \"report\": {\"running\": 2, \"waiting\": 1, \"kv_usage\": 7}}";
        return post(registrar, "/v1/endpoints/beat", TOKEN, body).statusCode();
    }

    @Test
    void aWorkerThatRegistersIsAnEndpointUntilItLeaves() throws Exception {
        EndpointRegistrar registrar = open();
        String lease = register(registrar, WORKER);
        assertThat(watched.ids()).containsExactly("w");
        assertThat(post(registrar, "/v1/endpoints/leave", TOKEN, "{\"lease\": \"" + lease + "\"}")
                        .statusCode())
                .isEqualTo(200);
        assertThat(watched.last()).isEmpty();
        assertThat(beat(registrar, lease, 1)).as("a lease that was given back").isEqualTo(410);
    }

    @Test
    void beatsKeepALeaseAndBringTheLoadAndSilenceEndsIt() throws Exception {
        EndpointRegistrar registrar = open();
        String lease = register(registrar, WORKER);
        for (int i = 1; i <= 5; i++) {
            timers.advance(EndpointRegistrar.DEFAULT_LEASE.minusMillis(1));
            assertThat(beat(registrar, lease, i)).isEqualTo(200);
        }
        assertThat(watched.ids()).containsExactly("w");
        assertThat(watched.reports).hasSize(5).first().isEqualTo("w EngineReport{running 2, waiting 1}");
        timers.advance(EndpointRegistrar.DEFAULT_LEASE);
        assertThat(watched.last()).isEmpty();
        assertThat(beat(registrar, lease, 6)).as("an expired lease").isEqualTo(410);
        // The server ends the time limit of a request behind its answer, when the client has it already.
        assertThat(timers.pending()).allMatch("registrar request"::equals);
    }

    @Test
    @DisplayName("C13: registering twice replaces the endpoint, and what is said under the old lease is refused")
    void registeringTwiceReplaces() throws Exception {
        EndpointRegistrar registrar = open();
        String first = register(registrar, WORKER);
        String generation = watched.last().get(0).generation();
        String second = register(registrar, WORKER);
        assertThat(watched.ids()).containsExactly("w");
        assertThat(watched.last().get(0).generation()).isNotEqualTo(generation);
        assertThat(beat(registrar, first, 1)).isEqualTo(410);
        assertThat(post(registrar, "/v1/endpoints/leave", TOKEN, "{\"lease\": \"" + first + "\"}")
                        .statusCode())
                .isEqualTo(410);
        assertThat(watched.ids())
                .as("the old lease cannot take the new one out")
                .containsExactly("w");
        assertThat(beat(registrar, second, 1)).isEqualTo(200);
        timers.advance(EndpointRegistrar.DEFAULT_LEASE.minusMillis(1));
        assertThat(watched.ids())
                .as("the old lease does not expire for the new one")
                .containsExactly("w");
    }

    @Test
    void aBeatThatIsSentAgainIsRefused() throws Exception {
        EndpointRegistrar registrar = open();
        String lease = register(registrar, WORKER);
        assertThat(beat(registrar, lease, 7)).isEqualTo(200);
        assertThat(beat(registrar, lease, 7)).isEqualTo(409);
        assertThat(beat(registrar, lease, 3)).isEqualTo(409);
        timers.advance(EndpointRegistrar.DEFAULT_LEASE.minusMillis(1));
        assertThat(beat(registrar, lease, 7)).isEqualTo(409);
        timers.advance(Duration.ofMillis(1));
        assertThat(watched.last()).as("a replay keeps nobody alive").isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "wrong", "correct horsE", "correct hors"})
    @DisplayName("C14: nobody registers without the token")
    void nobodyRegistersWithoutTheToken(String token) throws Exception {
        EndpointRegistrar registrar = open();
        assertThat(post(registrar, "/v1/endpoints", token, WORKER).statusCode()).isEqualTo(401);
        assertThat(registrar.registered()).isEmpty();
    }

    @Test
    @DisplayName(
            "C14: when the registrar comes back with another token, the old one and what was lent on it are worth nothing")
    void aTokenThatWasReplacedIsRefused() throws Exception {
        EndpointRegistrar before = open();
        String lease = register(before, WORKER);
        before.close();
        EndpointRegistrar after = open(EndpointRegistrar.builder().token("another"));
        assertThat(beat(after, lease, 1)).as("the old token").isEqualTo(401);
        assertThat(post(after, "/v1/endpoints", TOKEN, WORKER).statusCode()).isEqualTo(401);
        String body = "{\"lease\": \"" + lease + "\", \"number\": 2}";
        assertThat(post(after, "/v1/endpoints/beat", "another", body).statusCode())
                .as("the old lease")
                .isEqualTo(410);
        assertThat(after.registered()).isEmpty();
    }

    @ParameterizedTest
    @DisplayName("C14: nobody can be announced but the sender, unless a rule allows the host")
    @CsvSource({
        "http://127.0.0.1:1, '', 201",
        "http://localhost:1, '', 201",
        "http://127.0.0.2:1, '', 403",
        "http://169.254.169.254/latest, '', 403",
        "http://2130706433:1, '', 403",
        "http://127.0.0.1.evil.example:1, '', 403",
        "http://gpu-1:1, '', 403",
        "http://10.1.2.3:1, 10.0.0.0/8, 201",
        "http://11.1.2.3:1, 10.0.0.0/8, 403",
        "http://127.0.0.1:1, 10.0.0.0/8, 403",
        "http://gpu-1:1, gpu-1, 201",
        "http://gpu-1.evil.example:1, gpu-1, 403",
        "http://a.gpu.example:1, *.gpu.example, 201",
        "http://agpu.example:1, *.gpu.example, 403",
        "http://[fd00::7]:1, fd00::/16, 201"
    })
    void onlyAllowedHostsAreAnnounced(String url, String rule, int status) throws Exception {
        EndpointRegistrar.Builder builder = EndpointRegistrar.builder().token(TOKEN);
        EndpointRegistrar registrar = open(rule.isEmpty() ? builder : builder.allowHost(rule));
        String worker = "{\"id\": \"w\", \"url\": \"" + url + "\"}";
        assertThat(post(registrar, "/v1/endpoints", TOKEN, worker).statusCode()).isEqualTo(status);
        assertThat(registrar.registered()).hasSize(status == 201 ? 1 : 0);
    }

    @Test
    @DisplayName("C14: a registrar that others can reach does not start without a token")
    void aPublicRegistrarNeedsAToken() throws Exception {
        assertThatThrownBy(() -> EndpointRegistrar.builder().host("0.0.0.0").open())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("token");
        assertThat(open(EndpointRegistrar.builder()).port())
                .as("on loopback it does")
                .isPositive();
    }

    @ParameterizedTest
    @CsvSource({
        "POST, /v1/endpoints, '', 400",
        "POST, /v1/endpoints, '[]', 400",
        "POST, /v1/endpoints, '{\"id\": \"a\"}', 400",
        "POST, /v1/endpoints, '{\"id\": \"a\\u0000\", \"url\": \"http://127.0.0.1:1\"}', 400",
        "POST, /v1/endpoints, '{\"url\": \"http://u:p@127.0.0.1:1\"}', 400",
        "POST, /v1/endpoints, '{\"url\": \"http://127.0.0.1:1\", \"weight\": -1}', 400",
        "POST, /v1/endpoints/beat, '{\"lease\": \"x\"}', 400",
        "POST, /v1/endpoints/beat, '{\"lease\": \"x\", \"number\": 1}', 410",
        "POST, /v1/endpoints/leave, '{\"lease\": 7}', 400",
        "GET, /v1/endpoints, '', 405",
        "POST, /v1/endpoints/../x, '', 404",
        "POST, /, '', 404"
    })
    void badRequestsAreRefusedByStatus(String method, String path, String body, int status) throws Exception {
        EndpointRegistrar registrar = open();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + registrar.port() + path))
                .header("Authorization", "Bearer " + TOKEN)
                .method(method, HttpRequest.BodyPublishers.ofString(body))
                .build();
        assertThat(client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode())
                .isEqualTo(status);
    }

    @Test
    void aFloodOfRegistrationsIsBounded() throws Exception {
        EndpointRegistrar registrar =
                open(EndpointRegistrar.builder().token(TOKEN).maxEndpoints(3));
        for (int i = 0; i < 3; i++) {
            register(registrar, "{\"id\": \"w" + i + "\", \"url\": \"http://127.0.0.1:8000\"}");
        }
        assertThat(post(registrar, "/v1/endpoints", TOKEN, WORKER).statusCode()).isEqualTo(503);
        register(registrar, "{\"id\": \"w1\", \"url\": \"http://127.0.0.1:8000\"}"); // a restart has its place
        assertThat(registrar.registered()).hasSize(3);
    }

    @Test
    void whoSendsTooMuchOrNothingIsCutOffAndHoldsUpNobody() throws Exception {
        EndpointRegistrar registrar = open();
        List<Socket> silent = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            silent.add(new Socket(InetAddress.getLoopbackAddress(), registrar.port()));
        }
        register(registrar, WORKER);
        timers.awaitTimer("registrar request");
        assertThat(sent(registrar, "POST /v1/endpoints HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n"))
                .startsWith("HTTP/1.1 413");
        assertThat(sent(registrar, "POST /v1/endpoints HTTP/1.1\r\nContent-Length: -5\r\n\r\n"))
                .startsWith("HTTP/1.1 413");
        assertThat(sent(registrar, "POST /v1/endpoints HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"))
                .startsWith("HTTP/1.1 411");
        assertThat(sent(registrar, "GET / HTTP/1.1\r\nX: " + "x".repeat(20_000)))
                .isEmpty();
        assertThat(sent(registrar, "\u0016\u0003\u0001\r\n\r\n")).startsWith("HTTP/1.1 400");
        for (Socket socket : silent) {
            socket.close();
        }
    }

    private static String sent(EndpointRegistrar registrar, String bytes) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), registrar.port())) {
            socket.getOutputStream().write(bytes.getBytes(StandardCharsets.ISO_8859_1));
            InputStream in = socket.getInputStream();
            try {
                return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
            } catch (IOException e) {
                return ""; // reset
            }
        }
    }

    @Test
    void expiryDrainsAndDoesNotCut() throws Exception {
        ScriptedBackend backend = new ScriptedBackend();
        EndpointRegistrar registrar = open();
        try (BalancedLlm llm = BalancedLlm.builder()
                .pool(EndpointPool.builder().build())
                .closeGrace(Duration.ofMillis(1))
                .build()) {
            llm.pool().source(registrar, spec -> backend);
            register(registrar, WORKER);
            assertThat(llm.pool().endpoints()).extracting(EndpointStatus::id).containsExactly("w");
            var answer = llm.completeAsync(io.balancedllm.completion.CompletionRequest.of("Once"));
            var attempt = backend.takeAttempt(Duration.ofSeconds(20));
            timers.advance(EndpointRegistrar.DEFAULT_LEASE);
            assertThat(llm.pool().endpoints()).isEmpty();
            attempt.accept().chunk("done").complete();
            assertThat(answer.get(20, java.util.concurrent.TimeUnit.SECONDS).text())
                    .isEqualTo("done");
        }
    }

    @Test
    void badSettingsAreRefusedByName() {
        EndpointRegistrar.Builder builder = EndpointRegistrar.builder();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.token(" "))
                .withMessageContaining("token");
        assertThatIllegalArgumentException().isThrownBy(() -> builder.lease(Duration.ofMillis(1)));
        assertThatIllegalArgumentException().isThrownBy(() -> builder.allowHost("10.0.0.0/99"));
        assertThatIllegalArgumentException().isThrownBy(() -> builder.allowHost("a.*.b"));
    }
}
