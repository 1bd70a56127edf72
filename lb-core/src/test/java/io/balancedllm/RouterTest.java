/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.AttemptEvent;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class RouterTest {
    private static final CompletionRequest REQUEST = CompletionRequest.of("Once");

    private static CompletionRequest asking(String model) {
        return CompletionRequest.builder(model).user("Once").build();
    }

    private static Endpoint endpoint(String id, String... models) {
        Endpoint.Builder builder = Endpoint.builder(id, new Rooms.Silent()).maxConcurrency(1);
        for (String model : models) {
            builder.model(model);
        }
        return builder.build();
    }

    private static Router.Route route(EngineRoom room, Work work, CallOptions options) {
        Call call = new Call(room, work, options, new ChunkBuffer(() -> {}), false);
        return room.router().route(call, 0);
    }

    private static Router.Route route(EngineRoom room, CompletionRequest request) {
        return route(room, new Work.OfCompletion(request), CallOptions.DEFAULT);
    }

    private static String endpointOf(Router.Route route) {
        return route.lease() == null
                ? "none: " + route.failure()
                : route.lease().member().id();
    }

    private static LlmException failureOf(Router.Route route) {
        if (route.failure() == null) {
            throw new AssertionError("routed to " + endpointOf(route));
        }
        return route.failure();
    }

    @Test
    void aModelGoesToAnEndpointThatServesItOrThatListsNone() {
        EngineRoom room = Rooms.room(Rooms.first(), endpoint("llama", "llama"), endpoint("any"));

        assertThat(endpointOf(route(room, asking("qwen")))).isEqualTo("any");
        assertThat(endpointOf(route(room, asking("llama")))).isEqualTo("llama");
    }

    @Test
    void noModelIsTheOnlyOneThereIs() {
        EngineRoom room = Rooms.room(Rooms.first(), endpoint("a", "llama"), endpoint("b", "llama"));

        Router.Route route = route(room, REQUEST);

        assertThat(route.model()).isEqualTo("llama");
        assertThat(endpointOf(route)).isEqualTo("a");
        assertThat(route(Rooms.room(Rooms.first(), endpoint("a")), REQUEST).model())
                .isNull();
    }

    @Test
    void noModelAmongSeveralIsAskedForByName() {
        LlmException failure =
                failureOf(route(Rooms.room(Rooms.first(), endpoint("a", "qwen"), endpoint("b", "llama")), REQUEST));

        assertThat(failure.reason()).isEqualTo(Reason.INVALID_REQUEST);
        assertThat(failure).hasMessage("the request names no model and the endpoints list several: [llama, qwen]");
    }

    @Test
    void aModelNobodyServesIsRefusedWithThoseThereAre() {
        LlmException failure = failureOf(
                route(Rooms.room(Rooms.first(), endpoint("a", "qwen"), endpoint("b", "llama")), asking("gpt-2")));

        assertThat(failure.reason()).isEqualTo(Reason.MODEL_NOT_FOUND);
        assertThat(failure).hasMessage("no active endpoint serves the model \"gpt-2\"; they list [llama, qwen]");
    }

    @Test
    void anEmptyAndADrainedPoolAreToldApart() {
        LlmException empty = failureOf(route(Rooms.room(Rooms.first()), REQUEST));
        assertThat(empty.reason()).isEqualTo(Reason.NO_ENDPOINT);
        assertThat(empty).hasMessage("the pool has no endpoint");

        EngineRoom drained = Rooms.room(Rooms.first(), endpoint("a"), endpoint("b"));
        List<CompletableFuture<Boolean>> drains = new ArrayList<>();
        drains.add(drained.pool().drain("a"));
        drains.add(drained.pool().drain("b"));
        LlmException draining = failureOf(route(drained, REQUEST));
        assertThat(draining.reason()).isEqualTo(Reason.NO_ENDPOINT);
        assertThat(draining).hasMessage("all 2 endpoints are draining");
        assertThat(drains).allSatisfy(drain -> assertThat(drain).isCompletedWithValue(true));
    }

    @Test
    void whatNoBackendCanDoIsUnsupported() {
        BackendTraits chatOnly = BackendTraits.builder()
                .operations(Operation.CHAT)
                .model("llama")
                .build();
        EngineRoom room = Rooms.room(Rooms.first(), Endpoint.of("a", new Rooms.Silent(chatOnly)));

        LlmException failure =
                failureOf(route(room, new Work.OfEmbeddings(EmbeddingRequest.of("a")), CallOptions.DEFAULT));

        assertThat(failure.reason()).isEqualTo(Reason.UNSUPPORTED);
        assertThat(failure).hasMessage("no active endpoint that serves \"llama\" can do EMBEDDINGS");
    }

    @Test
    void fullEndpointsAreNeitherPickedNorAFailure() {
        EngineRoom room = Rooms.room(Rooms.first(), endpoint("a"), endpoint("b"));
        Router.Route first = route(room, REQUEST);
        assertThat(endpointOf(first)).isEqualTo("a");
        assertThat(endpointOf(route(room, REQUEST))).isEqualTo("b");

        Router.Route none = route(room, REQUEST);
        assertThat(none.lease()).isNull();
        assertThat(none.failure()).isNull();

        if (first.lease() != null) {
            first.lease().release();
        }
        assertThat(endpointOf(route(room, REQUEST))).isEqualTo("a");
    }

    @Test
    void aPickOfSomethingElseIsADefectOfThePolicyByName() {
        EngineRoom room = Rooms.room(
                new RoutingPolicy() {
                    @Override
                    public EndpointView pick(RoutingContext call, Candidates candidates) {
                        return stranger();
                    }

                    @Override
                    public String toString() {
                        return "stubborn";
                    }
                },
                endpoint("a"));

        LlmException failure = failureOf(route(room, REQUEST));

        assertThat(failure.reason()).isEqualTo(Reason.INTERNAL_ERROR);
        assertThat(failure).hasMessage("the routing policy stubborn returned b#1, which is not a candidate");
    }

    private static EndpointView stranger() {
        Endpoint other = endpoint("b");
        return new PoolMember(other, BackendTraits.UNKNOWN, 1, () -> {});
    }

    @Test
    void aPickThatLosesItsSlotIsMadeAgain() {
        List<Lease> stolen = new ArrayList<>();
        EngineRoom room = Rooms.room(
                (call, candidates) -> {
                    if (stolen.isEmpty() && candidates.get(0) instanceof PoolMember member) {
                        @Nullable Lease lease = member.tryAcquire(false);
                        if (lease != null) {
                            stolen.add(lease);
                        }
                        return member;
                    }
                    return candidates.get(0);
                },
                endpoint("a"),
                endpoint("b"));

        assertThat(endpointOf(route(room, REQUEST))).isEqualTo("b");
    }

    @Test
    void candidatesAndTermsAreToldOnlyToWhoAsks() {
        EngineRoom room = Rooms.room(
                (call, candidates) -> {
                    call.trace().term(candidates.get(0), "price", 0.5);
                    return candidates.get(0);
                },
                endpoint("a"),
                endpoint("b"));

        Router.Route told = route(
                room,
                new Work.OfCompletion(REQUEST),
                CallOptions.builder().explain(true).build());

        assertThat(told.candidates())
                .extracting(DecisionRecord.Candidate::endpoint)
                .containsExactly("a", "b");
        assertThat(told.candidates())
                .extracting(DecisionRecord.Candidate::picked)
                .containsExactly(true, false);
        assertThat(told.candidates().get(0).terms()).containsEntry("price", 0.5);
        assertThat(route(room, REQUEST).candidates()).isEmpty();
    }

    @Test
    void onlyAPolicyThatObservesIsToldWhatHappened() {
        RoutingPolicy observer = new RoutingPolicy() {
            @Override
            public EndpointView pick(RoutingContext call, Candidates candidates) {
                return candidates.get(0);
            }

            @Override
            public void observe(AttemptEvent event) {}
        };

        assertThat(Router.InUse.of(observer).observes()).isTrue();
        assertThat(Router.InUse.of(Rooms.first()).observes()).isFalse();
    }
}
