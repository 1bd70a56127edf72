/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.testkit.ManualScheduler;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Both sides over loopback; the worker's and the registrars' time is moved by hand. */
@Timeout(60)
class WorkerRegistrationTest {
    private static final Duration BEAT = EndpointRegistrar.DEFAULT_LEASE.dividedBy(2);

    private final ManualScheduler worker = new ManualScheduler();
    private final ManualScheduler leases = new ManualScheduler();
    private final Watched watched = new Watched();
    private final int port = freePort();

    WorkerRegistrationTest() throws IOException {}

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private EndpointRegistrar open(int at) throws IOException {
        EndpointRegistrar registrar = EndpointRegistrar.builder()
                .port(at)
                .token("t")
                .scheduler(leases)
                .open();
        registrar.start(watched);
        return registrar;
    }

    private WorkerRegistration.Builder announce(int... ports) {
        WorkerRegistration.Builder builder = WorkerRegistration.builder(
                        EndpointSpec.builder("w", "http://127.0.0.1:8000")
                                .model("m")
                                .build())
                .token("t")
                .scheduler(worker)
                .random(new Random(1));
        for (int each : ports) {
            builder.registrar("http://127.0.0.1:" + each);
        }
        return builder;
    }

    @AfterEach
    void close() {
        worker.close();
        leases.close();
    }

    @Test
    void aWorkerRegistersBeatsReportsAndLeaves() throws IOException {
        try (EndpointRegistrar registrar = open(port)) {
            WorkerRegistration registration = announce(port)
                    .report(() -> Optional.of(
                            EngineReport.builder().running(3).waiting(0).build()))
                    .start();
            worker.advance(Duration.ZERO);
            assertThat(watched.last().get(0).models()).containsOnlyKeys("m");
            assertThat(watched.reports).containsExactly("w EngineReport{running 3, waiting 0}");
            for (int i = 0; i < 10; i++) {
                worker.advance(BEAT);
                leases.advance(BEAT);
            }
            assertThat(watched.ids()).as("its beats keep it").containsExactly("w");
            assertThat(registration.registered()).isOne();
            registration.close();
            assertThat(registrar.registered()).isEmpty();
        }
    }

    @Test
    @DisplayName("C12: a balancer that restarts has its workers back without anybody's help")
    void aBalancerThatRestartsHasItsWorkersBack() throws IOException {
        EndpointRegistrar first = open(port);
        try (WorkerRegistration registration = announce(port).start()) {
            worker.advance(Duration.ZERO);
            assertThat(first.registered()).hasSize(1);
            first.close();
            worker.advance(Duration.ofMinutes(30)); // asks on, for however long it takes
            try (EndpointRegistrar second = open(port)) {
                worker.advance(WorkerRegistration.LONGEST_PAUSE);
                assertThat(second.registered()).extracting(EndpointSpec::id).containsExactly("w");
                assertThat(registration.registered()).isOne();
            }
        }
    }

    @Test
    @DisplayName("C12: a balancer that comes late gets its workers, too")
    void aBalancerThatComesLateGetsItsWorkers() throws IOException {
        try (WorkerRegistration registration = announce(port).start()) {
            worker.advance(Duration.ofHours(1));
            assertThat(registration.registered()).isZero();
            try (EndpointRegistrar registrar = open(port)) {
                worker.advance(WorkerRegistration.LONGEST_PAUSE);
                assertThat(registrar.registered()).hasSize(1);
            }
        }
    }

    @Test
    void aWorkerWhoseLeaseHasExpiredRegistersAgainWithItsNextBeat() throws IOException {
        try (EndpointRegistrar registrar = open(port);
                WorkerRegistration registration = announce(port).start()) {
            worker.advance(Duration.ZERO);
            leases.advance(EndpointRegistrar.DEFAULT_LEASE);
            assertThat(registrar.registered()).isEmpty();
            worker.advance(BEAT);
            assertThat(registrar.registered()).hasSize(1);
            assertThat(registration.registered()).isOne();
        }
    }

    @Test
    void severalBalancersAreIndependentOfEachOther() throws IOException {
        int other = freePort();
        try (EndpointRegistrar there = open(other);
                WorkerRegistration registration = announce(port, other).start()) {
            worker.advance(Duration.ofMinutes(1));
            assertThat(registration.registered()).isOne();
            assertThat(there.registered()).hasSize(1);
            try (EndpointRegistrar here = open(port)) {
                worker.advance(WorkerRegistration.LONGEST_PAUSE);
                assertThat(registration.registered()).isEqualTo(2);
                assertThat(here.registered()).hasSize(1);
            }
        }
    }

    @Test
    void aRefusedTokenIsTriedOnWithPauses() throws IOException {
        try (EndpointRegistrar registrar = open(port);
                WorkerRegistration registration = announce(port).token("wrong").start()) {
            int attempts = worker.advance(Duration.ofMinutes(5));
            assertThat(attempts).isBetween(20, 60);
            assertThat(registration.registered()).isZero();
            assertThat(registrar.registered()).isEmpty();
        }
    }

    @Test
    void badSettingsAreRefusedByName() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> announce().token("a\nb"))
                .withMessageContaining("token");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> announce().registrar("http://u:p@x"))
                .withMessageContaining("credentials");
    }
}
