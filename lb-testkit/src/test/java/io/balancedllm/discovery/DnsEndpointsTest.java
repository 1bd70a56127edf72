/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.discovery.DnsResolver.Answer;
import io.balancedllm.discovery.DnsResolver.Found;
import io.balancedllm.discovery.DnsResolver.Kind;
import io.balancedllm.testkit.ManualScheduler;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class DnsEndpointsTest {
    private final ManualScheduler timers = new ManualScheduler();
    private final Watched watched = new Watched();
    private final DnsServer server = new DnsServer();
    private volatile Answer answer = new Answer(List.of(new Found("10.0.0.1", 0, 0, 0)), Duration.ofSeconds(30));
    private boolean fails;
    private int looked;

    DnsEndpointsTest() throws IOException {}

    @AfterEach
    void closeServer() throws IOException {
        server.close();
    }

    private Answer scripted(String name, Kind kind) throws IOException {
        looked++;
        if (fails) {
            throw new IOException("no name server answered");
        }
        return answer;
    }

    private DnsEndpoints start(DnsEndpoints.Builder builder) {
        DnsEndpoints source = builder.scheduler(timers).random(new Random(1)).build();
        source.start(watched);
        return source;
    }

    @Test
    void allAddressesOfAHostAreEndpoints() {
        server.addresses(30, 2, 3);
        start(DnsEndpoints.addresses("gpu.foo", 8000).resolver(server.resolver()));
        assertThat(watched.ids()).containsExactly("127.0.0.2:8000", "127.0.0.3:8000");
        assertThat(watched.last().get(0).url()).isEqualTo("http://127.0.0.2:8000");
    }

    @Test
    void servicesComeWithPortAndWeightAndOnlyTheFirstPriorityIsUsed() {
        server.services(
                DnsServer.service(60, 10, 3, 8001, 'a'),
                DnsServer.service(60, 10, 0, 8002, 'b'),
                DnsServer.service(60, 20, 9, 8003, 'c'));
        start(DnsEndpoints.services("_llm._tcp.foo").https().resolver(server.resolver()));
        assertThat(watched.last())
                .extracting(EndpointSpec::url)
                .containsExactly("https://a.foo:8001", "https://b.foo:8002");
        assertThat(watched.last()).extracting(EndpointSpec::weight).containsExactly(3.0, 1.0);
    }

    @Test
    void anAnswerIsKeptForItsTimeToLiveAndThenAskedAgain() {
        start(DnsEndpoints.addresses("gpu", 8000).resolver(this::scripted));
        answer = new Answer(List.of(new Found("fd00::1", 0, 0, 0)), Duration.ZERO);
        timers.advance(Duration.ofSeconds(26));
        assertThat(looked).as("within nine tenths of 30 s").isOne();
        timers.advance(Duration.ofSeconds(4));
        assertThat(watched.ids()).containsExactly("[fd00::1]:8000");
        int before = looked;
        timers.advance(Duration.ofSeconds(10));
        assertThat(looked - before).as("a TTL of 0 is one look a second").isEqualTo(10);
    }

    @Test
    void whileDnsFailsTheLastAnswerStandsAndItIsAskedAgainWithBackOff() {
        start(DnsEndpoints.addresses("gpu", 8000).resolver(this::scripted));
        fails = true;
        timers.advance(Duration.ofMinutes(10));
        assertThat(watched.sets).as("nothing was told that empties a pool").hasSize(1);
        assertThat(looked).isBetween(20, 40);
        fails = false;
        timers.advance(DnsEndpoints.MAX_FAILURE_PAUSE);
        assertThat(watched.sets).hasSizeGreaterThan(1);
    }

    @Test
    void aNameThatIsGoneOrEmptyLeavesTheLastAnswer() {
        server.addresses(1, 2);
        start(DnsEndpoints.addresses("gpu.foo", 8000).resolver(server.resolver()));
        server.code = 3; // no such name
        timers.advance(Duration.ofSeconds(5));
        server.code = 0;
        server.nothing();
        timers.advance(Duration.ofSeconds(60));
        assertThat(watched.sets).hasSize(1);
        server.addresses(1, 3);
        timers.advance(DnsEndpoints.MAX_FAILURE_PAUSE);
        assertThat(watched.ids()).containsExactly("127.0.0.3:8000");
    }

    @Test
    void anAnswerThatDoesNotFitComesOverTcp() throws IOException {
        server.addresses(30, 2, 3, 4);
        server.truncate = true;
        assertThat(server.resolver().resolve("gpu.foo", Kind.ADDRESSES).found()).hasSize(3);
        assertThat(server.askedOverTcp.get()).isPositive();
    }

    @Test
    void answersToOtherQuestionsAreIgnored() throws IOException {
        server.addresses(30, 2);
        server.strays = true;
        assertThat(server.resolver().resolve("gpu.foo", Kind.ADDRESSES).found())
                .extracting(Found::host)
                .containsExactly("127.0.0.2");
    }

    @Test
    void aServerThatFailsOrNamesThatCannotBeAreTyped() {
        server.code = 2;
        assertThatThrownBy(() -> server.resolver().resolve("gpu.foo", Kind.ADDRESSES))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("code 2");
        for (String name : List.of("a..b", "x".repeat(64), "a.".repeat(127) + "long")) {
            assertThatThrownBy(() -> server.resolver().resolve(name, Kind.ADDRESSES))
                    .isInstanceOf(IOException.class);
        }
    }

    @Test
    void aSourceThatIsClosedAsksNoMore() {
        DnsEndpoints source = start(DnsEndpoints.addresses("gpu", 8000).resolver(this::scripted));
        source.close();
        timers.advance(Duration.ofMinutes(10));
        assertThat(looked).isOne();
    }
}
