/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheOptions;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Usage;
import io.balancedllm.metrics.CacheStatistics;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a cache in front of the endpoints does for calls, one step at a time. */
@Timeout(60)
class CacheLifeTest {
    private static final CompletionRequest ASKED = CompletionRequest.builder("m")
            .user("Why is the sky blue?")
            .temperature(0)
            .build();

    private final OneThread world = new OneThread();
    private final RecordingListener listener = new RecordingListener();
    private final ScriptedBackend backend = new ScriptedBackend();
    private final ScriptedCache alike = new ScriptedCache();
    private final BalancedLlm exact = balancer(CacheOptions.DEFAULT);
    private final BalancedLlm semantic = balancer(CacheOptions.of(alike));

    private BalancedLlm balancer(CacheOptions options) {
        return world.balancer()
                .endpoint("a", backend)
                .cache(options)
                .listener(listener)
                .build();
    }

    @AfterEach
    void nothingIsLeft() {
        world.settle();
        listener.assertSerialGrammar();
        assertThat(world.timers.pending()).isEmpty();
        for (BalancedLlm llm : List.of(exact, semantic)) {
            assertThat(llm.pool().endpoints())
                    .extracting(EndpointStatus::inFlight)
                    .allMatch(count -> count == 0);
            assertThat(llm.statistics().running()).isZero();
            llm.close();
        }
        assertThat(alike.closes).isEqualTo(1);
    }

    private CompletableFuture<Completion> call(BalancedLlm llm) {
        CompletableFuture<Completion> future = llm.completeAsync(ASKED);
        world.settle();
        return future;
    }

    private static Completion answerOf(CompletableFuture<Completion> future) {
        assertThat(future).isCompleted();
        return future.join();
    }

    private static void ignored(CompletableFuture<Completion> future) {
        assertThat(future).isNotNull();
    }

    private static BalancedLlm with(BalancedLlm llm, CacheControl.Builder control) {
        return llm.with(CallOptions.builder().cache(control.build()).build());
    }

    private static void answer(ScriptedAttempt attempt) {
        attempt.accept()
                .chunk("Because ")
                .chunk("of Rayleigh.")
                .finish(FinishReason.STOP)
                .chunk(new CompletionChunk.UsageOnly(Usage.builder(7, 2).build()))
                .complete();
    }

    private Completion answered(BalancedLlm llm) {
        CompletableFuture<Completion> future = call(llm);
        answer(backend.takeAttempt());
        world.settle();
        return answerOf(future);
    }

    private static CacheOutcome outcome(Completion answer) {
        return answer.decision().orElseThrow().cache();
    }

    private static boolean isCached(Completion answer) {
        return answer.usage().orElseThrow().extra().containsKey(StoredAnswer.CACHED_FIELD);
    }

    @Test
    @DisplayName("A5, E7: a hit takes no slot of an endpoint, and says that it is one, and how old")
    void theSecondOfTwoEqualCallsIsAnsweredFromTheCache() {
        Completion first = answered(exact);
        world.pass(Duration.ofSeconds(3));

        Completion second = answerOf(call(exact));

        assertThat(outcome(first)).isEqualTo(new CacheOutcome.Miss());
        assertThat(isCached(first)).isFalse();
        assertThat(second.text()).isEqualTo("Because of Rayleigh.");
        assertThat(outcome(second)).isEqualTo(new CacheOutcome.Exact(Duration.ofSeconds(3)));
        assertThat(isCached(second)).isTrue();
        assertThat(second.decision().orElseThrow().attempts()).isEmpty();
        assertThat(backend.started()).isEqualTo(1);
        assertThat(listener.stories()).containsExactlyInAnyOrder("SACFEX", "SX");
        assertThat(exact.statistics().cache()).isEqualTo(new CacheStatistics(1, 0, 0, 1, 0, 0));
        assertThat(exact.statistics().attempts()).isEqualTo(1);
    }

    @Test
    @DisplayName("E8: a hit is replayed as a stream, not as one lump")
    void aHitIsAStreamOfSmallChunks() {
        answered(exact);

        List<CompletionChunk> chunks = new ArrayList<>();
        CompletionStream stream = exact.stream(ASKED);
        world.settle();
        for (CompletionChunk chunk : stream) {
            chunks.add(chunk);
            assertThat(exact.pool().endpoints().get(0).inFlight()).isZero();
        }

        assertThat(chunks).filteredOn(CompletionChunk::hasOutput).hasSizeGreaterThan(2);
        assertThat(stream.completion().text()).isEqualTo("Because of Rayleigh.");
        assertThat(isCached(stream.completion())).isTrue();
        assertThat(stream.decision().orElseThrow().cache()).isInstanceOf(CacheOutcome.Exact.class);
        assertThat(backend.started()).isEqualTo(1);
    }

    @Test
    @DisplayName("E4: 64 callers of one prompt make exactly one generation, and all get its answer")
    void equalCallsAtTheSameTimeShareOneGeneration() {
        List<CompletableFuture<Completion>> futures =
                IntStream.range(0, 64).mapToObj(i -> call(exact)).toList();
        ScriptedAttempt attempt = backend.takeAttempt();
        answer(attempt);
        world.settle();

        assertThat(backend.started()).isEqualTo(1);
        assertThat(futures)
                .allSatisfy(future -> assertThat(answerOf(future).text()).isEqualTo("Because of Rayleigh."));
        assertThat(futures.stream().map(future -> outcome(answerOf(future))).distinct())
                .containsExactly(new CacheOutcome.Miss(), new CacheOutcome.Joined());
        assertThat(futures.stream().filter(future -> isCached(answerOf(future))))
                .hasSize(63);
        assertThat(answerOf(futures.get(63)).decision().orElseThrow().endpoint())
                .isEqualTo("a");
        assertThat(exact.statistics().cache()).isEqualTo(new CacheStatistics(0, 0, 63, 1, 0, 0));
        assertThat(exact.statistics().completed()).isEqualTo(64);
    }

    @Test
    void aFollowerReadsWhatWasSaidAndThenFollowsTheStreamAsItGrows() {
        CompletionStream leader = exact.stream(ASKED);
        world.settle();
        ScriptedAttempt attempt = backend.takeAttempt().accept().chunk("Because ");
        CompletionStream follower = exact.stream(ASKED);
        world.settle();

        assertThat(follower.iterator().next().text()).isEqualTo("Because ");
        attempt.chunk("of Rayleigh.");
        assertThat(follower.iterator().next().text()).isEqualTo("of Rayleigh.");
        assertThat(leader.iterator().next().text()).isEqualTo("Because ");

        attempt.finish(FinishReason.STOP).complete();
        assertThat(leader.completion().text()).isEqualTo("Because of Rayleigh.");
        assertThat(follower.completion().text()).isEqualTo("Because of Rayleigh.");
    }

    @Test
    void aCancelledLeaderEndsAtOnceAndItsGenerationGoesOnForTheFollowers() {
        CompletableFuture<Completion> leader = call(exact);
        CompletableFuture<Completion> follower = call(exact);
        ScriptedAttempt attempt = backend.takeAttempt().accept().chunk("Because ");

        leader.cancel(true);
        world.settle();
        assertThat(attempt.isCancelAsked()).isFalse();
        assertThat(exact.statistics().cancelled()).isEqualTo(1);
        assertThat(listener.ends).isEmpty(); // its attempt runs still, and nothing may be told after the end

        attempt.chunk("of Rayleigh.").finish(FinishReason.STOP).complete();
        world.settle();
        assertThat(answerOf(follower).text()).isEqualTo("Because of Rayleigh.");
        assertThat(listener.stories()).containsExactlyInAnyOrder("SACFEX", "SX");
    }

    @Test
    void theGenerationIsCancelledWithItsLastCaller() {
        CompletableFuture<Completion> leader = call(exact);
        CompletableFuture<Completion> follower = call(exact);
        ScriptedAttempt attempt = backend.takeAttempt().accept();

        leader.cancel(true);
        follower.cancel(true);
        world.settle();

        assertThat(attempt.isCancelAsked()).isTrue();
        attempt.cancelled();
        assertThat(exact.pool().endpoints().get(0).inFlight()).isZero();
    }

    @Test
    void aLeaderThatFailsBeforeTheFirstTokenIsFollowedByOneFollower() {
        CompletableFuture<Completion> leader = call(exact);
        CompletableFuture<Completion> second = call(exact);
        CompletableFuture<Completion> third = call(exact);

        backend.takeAttempt().fail(Reason.REJECTED);
        world.settle();
        answer(backend.takeAttempt());
        world.settle();

        assertThat(failureOf(leader).reason()).isEqualTo(Reason.REJECTED);
        assertThat(outcome(answerOf(second))).isEqualTo(new CacheOutcome.Miss());
        assertThat(outcome(answerOf(third))).isEqualTo(new CacheOutcome.Joined());
        assertThat(backend.started()).isEqualTo(2);
    }

    @Test
    void whatIsWrongWithTheRequestFailsAllAtOnce() {
        CompletableFuture<Completion> leader = call(exact);
        CompletableFuture<Completion> follower = call(exact);

        backend.takeAttempt().fail(Reason.INVALID_REQUEST);
        world.settle();

        assertThat(failureOf(leader).reason()).isEqualTo(Reason.INVALID_REQUEST);
        assertThat(failureOf(follower).reason()).isEqualTo(Reason.INVALID_REQUEST);
        assertThat(failureOf(leader).attempts()).hasSize(1);
        assertThat(backend.started()).isEqualTo(1);
    }

    @Test
    void aGenerationOutlivesTheDeadlineOfItsLeaderAndEndsWithTheLatest() {
        CompletableFuture<Completion> leader = exact.with(
                        CallOptions.builder().timeout(Duration.ofSeconds(1)).build())
                .completeAsync(ASKED);
        CompletableFuture<Completion> follower = exact.with(
                        CallOptions.builder().timeout(Duration.ofSeconds(5)).build())
                .completeAsync(ASKED);
        world.settle();
        ScriptedAttempt attempt = backend.takeAttempt();

        world.pass(Duration.ofSeconds(2));
        assertThat(failureOf(leader).reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
        assertThat(attempt.isCancelAsked()).isFalse();

        world.pass(Duration.ofSeconds(3));
        assertThat(failureOf(follower).reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
        assertThat(attempt.isCancelAsked()).isTrue();
        attempt.cancelled();
    }

    @Test
    @DisplayName("E3: cut, failed and tool-calling answers are not stored")
    void onlyWholeAnswersAreStored() {
        ignored(call(exact));
        backend.takeAttempt()
                .accept()
                .chunk("Because")
                .finish(FinishReason.LENGTH)
                .complete();
        world.settle();
        CompletableFuture<Completion> failed = call(exact);
        backend.takeAttempt().accept().fail(Reason.INVALID_REQUEST);
        world.settle();

        assertThat(failed).isCompletedExceptionally();
        assertThat(outcome(answered(exact))).isEqualTo(new CacheOutcome.Miss());
        assertThat(backend.started()).isEqualTo(3);
    }

    @Test
    void aCallMayBypassRefreshOrUseANamespace() {
        answered(exact);

        BalancedLlm bypassing =
                exact.with(CallOptions.builder().cache(CacheControl.BYPASS).build());
        assertThat(outcome(answered(bypassing))).isEqualTo(new CacheOutcome.Bypass("asked to"));
        BalancedLlm other = with(exact, CacheControl.builder().namespace("faq"));
        assertThat(outcome(answered(other))).isEqualTo(new CacheOutcome.Miss());

        CompletableFuture<Completion> refreshed = with(
                        exact, CacheControl.builder().mode(CacheControl.Mode.REFRESH))
                .completeAsync(ASKED);
        world.settle();
        backend.takeAttempt().accept().chunk("Anew.").finish(FinishReason.STOP).complete();
        world.settle();
        assertThat(outcome(answerOf(refreshed))).isEqualTo(new CacheOutcome.Bypass("refresh"));
        assertThat(answerOf(call(exact)).text()).isEqualTo("Anew.");
    }

    @Test
    void aTimeToLiveIsTheCallsOwnAndEverythingCanBeForgotten() {
        answered(with(exact, CacheControl.builder().timeToLive(Duration.ofSeconds(10))));
        assertThat(outcome(answerOf(call(exact)))).isInstanceOf(CacheOutcome.Exact.class);
        world.pass(Duration.ofSeconds(11));
        assertThat(outcome(answered(exact))).isEqualTo(new CacheOutcome.Miss());

        CompletableFuture<Completion> refreshing = with(
                        exact, CacheControl.builder().mode(CacheControl.Mode.REFRESH))
                .completeAsync(ASKED);
        world.settle();
        exact.invalidateCache();
        answer(backend.takeAttempt());
        world.settle();
        assertThat(refreshing).isCompleted();
        assertThat(outcome(answered(exact))).as("asked before, answered after").isEqualTo(new CacheOutcome.Miss());
    }

    @Test
    void aDrawnAnswerIsNotSharedUnlessItIsAskedFor() {
        CompletionRequest warm = ASKED.newBuilder().temperature(1.0).build();
        CompletableFuture<Completion> one = exact.completeAsync(warm);
        CompletableFuture<Completion> two = exact.completeAsync(warm);
        world.settle();
        answer(backend.takeAttempt());
        answer(backend.takeAttempt());
        world.settle();

        assertThat(outcome(answerOf(one))).isEqualTo(new CacheOutcome.Bypass("temperature"));
        assertThat(outcome(answerOf(two))).isEqualTo(new CacheOutcome.Bypass("temperature"));
    }

    @Test
    @DisplayName("E2: another tenant's equal call generates anew")
    void tenantsShareNothing() {
        answered(exact.with(CallOptions.builder().tenant("alice").build()));

        Completion bobs =
                answered(exact.with(CallOptions.builder().tenant("bob").build()));

        assertThat(outcome(bobs)).isEqualTo(new CacheOutcome.Miss());
        assertThat(backend.started()).isEqualTo(2);
    }

    @Test
    void aCallForWhichSomethingAlikeIsStoredGetsThatAndOthersWithIt() {
        CompletableFuture<Completion> one = call(semantic);
        CompletableFuture<Completion> two = call(semantic);
        assertThat(alike.asked).isEqualTo(1);
        assertThat(backend.started()).isZero();

        alike.hit(stored("Scattering."), null);
        world.settle();

        assertThat(answerOf(one).text()).isEqualTo("Scattering.");
        assertThat(outcome(answerOf(one)))
                .isEqualTo(new CacheOutcome.Semantic(0.97, Duration.ofSeconds(5), "something alike"));
        assertThat(outcome(answerOf(two))).isInstanceOf(CacheOutcome.Semantic.class);
        assertThat(isCached(answerOf(two))).isTrue();
        assertThat(backend.started()).isZero();
        assertThat(semantic.statistics().cache()).isEqualTo(new CacheStatistics(0, 2, 0, 0, 0, 0));
    }

    private static Completion stored(String text) {
        return Completion.builder(ASKED.operation())
                .choice(new Choice(0, Message.assistant(text), FinishReason.STOP, null, Map.of()))
                .usage(Usage.builder(7, 2).build())
                .build();
    }

    @Test
    void whatWasGeneratedAfterAMissIsStoredWithIt() {
        CompletableFuture<Completion> future = call(semantic);
        alike.veto();
        world.settle();
        answer(backend.takeAttempt());
        world.settle();

        assertThat(outcome(answerOf(future))).isEqualTo(new CacheOutcome.Veto("numbers", 0.97));
        assertThat(alike.stored)
                .singleElement()
                .satisfies(answer -> assertThat(answer.text()).isEqualTo("Because of Rayleigh."));
        assertThat(outcome(answerOf(call(semantic)))).isInstanceOf(CacheOutcome.Exact.class);
    }

    @Test
    @DisplayName("E5: a lookup that is late or breaks is a miss, never a failed call")
    void aCacheThatHangsOrThrowsIsAMiss() {
        CompletableFuture<Completion> late = call(semantic);
        world.pass(Duration.ofSeconds(2));
        answer(backend.takeAttempt());
        world.settle();
        alike.hit(stored("Too late."), null);
        world.settle();
        assertThat(answerOf(late).text()).isEqualTo("Because of Rayleigh.");
        assertThat(outcome(answerOf(late))).isEqualTo(new CacheOutcome.Bypass("cache late"));

        alike.breakDown();
        semantic.invalidateCache();
        Completion broken = answered(semantic);
        assertThat(outcome(broken)).isEqualTo(new CacheOutcome.Bypass("cache failed"));
    }

    @Test
    void aCallGivenUpDuringTheLookupHasItsEndAtOnceAndReachesNoEndpoint() {
        CompletableFuture<Completion> future = call(semantic);

        future.cancel(true);
        world.settle();
        assertThat(listener.stories()).containsExactly("SX");
        assertThat(world.timers.pending()).isEmpty();
        alike.miss();
        world.settle();

        assertThat(backend.started()).isZero();
        assertThat(listener.stories()).containsExactly("SX");
    }

    @Test
    void whatTheCacheForgetsByItselfIsForgottenByTheExactTierToo() {
        ignored(call(semantic));
        alike.miss();
        world.settle();
        answer(backend.takeAttempt());
        world.settle();
        assertThat(outcome(answerOf(call(semantic)))).isInstanceOf(CacheOutcome.Exact.class);

        alike.forgets(CacheKey.of(ASKED, CallOptions.DEFAULT, CacheScope.TENANT).exact());
        CompletableFuture<Completion> anew = call(semantic);
        alike.miss();
        world.settle();
        ScriptedAttempt attempt = backend.takeAttempt();
        alike.forgetsAll();
        answer(attempt);
        world.settle();
        assertThat(outcome(answerOf(anew))).isEqualTo(new CacheOutcome.Miss());
        assertThat(alike.stored).hasSize(1); // the second was asked before everything was forgotten
        ignored(call(semantic));
        alike.miss();
        world.settle();
        answer(backend.takeAttempt());
        world.settle();
    }

    @Test
    void aHitThatIsToBeCheckedIsAskedAgainOffTheCallersPath() {
        List<Completion> checked = new ArrayList<>();
        CompletableFuture<Completion> future = call(semantic);
        alike.hit(stored("Scattering."), checked::add);
        world.settle();

        assertThat(answerOf(future).text()).isEqualTo("Scattering.");
        answer(backend.takeAttempt());
        world.settle();
        assertThat(checked)
                .singleElement()
                .satisfies(answer -> assertThat(answer.text()).isEqualTo("Because of Rayleigh."));
        assertThat(alike.stored).isEmpty();
    }

    @Test
    void aCheckThatFailsOrIsThereAtTheEndHarmsNobody() {
        ScriptedCache cache = new ScriptedCache();
        BalancedLlm llm = world.balancer().endpoint("b", backend).cache(cache).build();
        ignored(call(llm));
        cache.hit(stored("Scattering."), answer -> {
            throw new IllegalStateException("comparator");
        });
        world.settle();
        answer(backend.takeAttempt());
        ignored(call(llm));
        cache.hit(stored("Scattering."), answer -> {});
        world.settle();
        ScriptedAttempt hanging = backend.takeAttempt();

        llm.close();

        assertThat(hanging.isCancelAsked()).isTrue();
        assertThat(cache.closes).isEqualTo(1);
    }

    @Test
    void aReaderThatStopsReadingIsGivenUpAndTheOthersGoOn() {
        CompletionStream stuck = exact.stream(ASKED);
        CompletableFuture<Completion> good = call(exact);
        ScriptedAttempt attempt = backend.takeAttempt().accept();
        for (int i = 0; i < 100; i++) {
            attempt.chunk(i + " ");
        }
        for (int i = 0; i < 6; i++) {
            attempt.alive();
            world.pass(Duration.ofSeconds(10));
        }
        attempt.finish(FinishReason.STOP).complete();
        world.settle();

        assertThat(answerOf(good).text()).startsWith("0 1 2").endsWith("99 ");
        assertThat(stuck.decision()).isPresent();
        assertThat(exact.statistics().failures()).containsEntry(Reason.READER_STALLED, 1L);
    }

    @Test
    void closingWaitsForNobodyWhoHasHisAnswerAndEndsTheCache() {
        answered(exact);
        exact.close();

        assertThat(failureOf(call(exact)).reason()).isEqualTo(Reason.CLOSED);
    }
}
