/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.discovery.EndpointSource;
import io.balancedllm.discovery.EndpointSpec;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.LlmBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class PoolSourceTest {
    private final EngineRoom room = Rooms.room(Rooms.first(), Endpoint.of("own", new Rooms.Silent()));
    private final EndpointPool pool = room.pool();
    private final Told source = new Told();
    private final List<String> made = new ArrayList<>();

    /** A source that tells what the test says. */
    private static final class Told implements EndpointSource {
        private @Nullable Watcher watcher;
        private boolean closed;

        @Override
        public void start(Watcher watcher) {
            this.watcher = watcher;
        }

        @Override
        public void close() {
            closed = true;
        }

        Watcher watcher() {
            if (watcher == null) {
                throw new AssertionError("not started");
            }
            return watcher;
        }

        void tell(EndpointSpec... desired) {
            watcher().endpoints(Arrays.asList(desired));
        }
    }

    private static EndpointSpec.Builder spec(String id) {
        return EndpointSpec.builder(id, "http://" + id + ":8000");
    }

    private LlmBackend backend(EndpointSpec spec) {
        if (spec.id().startsWith("bad")) {
            throw new IllegalArgumentException("no backend for " + spec);
        }
        made.add(spec.url());
        return new Rooms.Silent();
    }

    private List<String> ids() {
        return pool.endpoints().stream().map(EndpointStatus::id).toList();
    }

    private EndpointStatus status(String id) {
        return pool.endpoint(id).orElseThrow();
    }

    @Test
    void whatASourceNamesJoinsAndWhatItNoLongerNamesLeaves() {
        pool.source(source, this::backend);
        source.tell(
                spec("a").build(),
                spec("b").weight(2).model("chat", "llama").label("zone", "x").build());
        assertThat(ids()).containsExactly("own", "a", "b");
        assertThat(status("b").weight()).isEqualTo(2);
        assertThat(status("b").models()).containsExactly("chat");
        assertThat(status("b").labels()).containsEntry("zone", "x");

        source.tell(
                spec("b").weight(2).model("chat", "llama").label("zone", "x").build());
        assertThat(ids()).as("endpoints that came otherwise stay").containsExactly("own", "b");
        assertThat(made).as("what stays is not made again").hasSize(2);
    }

    @Test
    void weightAndCapacityChangeInPlaceAndKeepTheGeneration() {
        pool.source(source, this::backend);
        source.tell(spec("a").build());
        long generation = status("a").generation();
        source.tell(spec("a").weight(3).maxConcurrency(7).build());
        assertThat(status("a").weight()).isEqualTo(3);
        assertThat(status("a").maxConcurrency()).isEqualTo(7);
        assertThat(status("a").generation()).isEqualTo(generation);
    }

    @Test
    void anotherGenerationOrAddressReplacesAndWhatIsInFlightGoesOn() {
        pool.source(source, this::backend);
        source.tell(spec("a").generation("1").build());
        PoolMember old = member("a");
        Lease lease = old.tryAcquire(false);
        source.tell(spec("a").generation("2").build());
        assertThat(status("a").generation()).isGreaterThan(old.generation());
        assertThat(old.inFlight()).as("not cut").isOne();
        source.tell(EndpointSpec.builder("a", "http://elsewhere:8000")
                .generation("2")
                .build());
        assertThat(made).containsExactly("http://a:8000", "http://a:8000", "http://elsewhere:8000");
        assertThat(lease).isNotNull();
    }

    private PoolMember member(String id) {
        PoolMember member = pool.snapshot().member(id);
        if (member == null) {
            throw new AssertionError("no " + id);
        }
        return member;
    }

    @Test
    void badEntriesAreLeftOutAndTheOthersStay() {
        pool.source(source, this::backend);
        source.tell(
                spec("bad").build(),
                spec("own").build(),
                spec("a").build(),
                EndpointSpec.builder("a", "http://z:1").build());
        assertThat(ids()).containsExactly("own", "a");
        assertThat(made).containsExactly("http://a:8000");
    }

    @Test
    void whatWasTakenOutByHandStaysOutUntilItsNextGeneration() {
        pool.source(source, this::backend);
        source.tell(spec("a").generation("1").build());
        pool.remove("a");
        source.tell(spec("a").generation("1").weight(2).build());
        assertThat(ids()).containsExactly("own");
        source.tell(spec("a").generation("2").build());
        assertThat(ids()).containsExactly("own", "a");
    }

    @Test
    void aSetThatChangesAltogetherLeavesNoMomentWithoutAnybody() {
        pool.source(source, this::backend);
        source.tell(spec("a").build());
        pool.remove("own");
        List<Integer> sizes = new ArrayList<>();
        pool.watch(event -> sizes.add(pool.endpoints().size()));
        source.tell(spec("b").build());
        assertThat(sizes).isNotEmpty().allMatch(size -> size > 0);
    }

    @Test
    void reportsReachTheirEndpoint() {
        pool.source(source, this::backend);
        source.tell(spec("a").build());
        source.watcher()
                .report("a", EngineReport.builder().running(3).waiting(1).build());
        source.watcher().report("nobody", EngineReport.builder().running(3).build());
        assertThat(member("a").engineRequests()).hasValue(4);
        assertThat(member("own").report()).isEmpty();
    }

    @Test
    @DisplayName("A closed pool closes its sources, and hears them no more")
    void aClosedPoolClosesItsSources() {
        pool.source(source, this::backend);
        pool.close();
        assertThat(source.closed).isTrue();
        source.tell(spec("a").build());
        assertThat(made).isEmpty();
        assertThatThrownBy(() -> pool.source(source, this::backend)).isInstanceOf(IllegalStateException.class);
    }
}
