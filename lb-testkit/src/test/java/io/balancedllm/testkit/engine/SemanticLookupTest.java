/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Usage;
import io.balancedllm.metrics.CacheStatistics;
import io.balancedllm.testkit.ScriptedAttempt;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls for which a cache looks for something alike. */
@Timeout(60)
class SemanticLookupTest extends CacheScene {
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
}
