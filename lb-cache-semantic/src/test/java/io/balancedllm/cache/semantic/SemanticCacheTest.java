/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static io.balancedllm.cache.semantic.Answers.answer;
import static io.balancedllm.cache.semantic.Answers.ask;
import static io.balancedllm.cache.semantic.Answers.key;
import static io.balancedllm.cache.semantic.Answers.lookup;
import static io.balancedllm.cache.semantic.Answers.put;
import static io.balancedllm.cache.semantic.Answers.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.Embedding;
import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionCollector;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Operation;
import io.balancedllm.testkit.ManualScheduler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SemanticCacheTest {
    private final ManualScheduler scheduler = new ManualScheduler();
    private final ScriptedEmbedder embedder = new ScriptedEmbedder();
    private final SemanticCache cache = builder().build();

    private SemanticCacheBuilder builder() {
        return SemanticCache.builder(embedder)
                .executor(Runnable::run)
                .scheduler(scheduler)
                .ticker(scheduler.ticker())
                .random(new Random(1));
    }

    @AfterEach
    void close() {
        cache.close();
    }

    private static CallOptions tenant(String name) {
        return CallOptions.builder().tenant(name).build();
    }

    @Test
    void theNearestEntryAnswersAndNotTheFirstThatIsNearEnough() {
        embedder.at(0, "a").at(40, "b").at(25, "c");
        put(cache, "a", "of a");
        put(cache, "b", "of b");
        assertThat(text(lookup(cache, "c"))).isEqualTo("of b");
        assertThat(cache.statistics().entries()).isEqualTo(2);
    }

    @Test
    void aHitSaysThatItIsOneHowNearHowOldAndOfWhat() {
        embedder.at(0, "how do i reset it").at(10, "how can it be reset");
        put(cache, "how do i reset it", "press the button");
        scheduler.advance(Duration.ofSeconds(90));

        assertThat(lookup(cache, "how can it be reset")).isInstanceOfSatisfying(CacheLookup.Hit.class, hit -> {
            assertThat(hit.outcome().similarity()).isCloseTo(Math.cos(Math.toRadians(10)), within(1e-6));
            assertThat(hit.outcome().age()).isEqualTo(Duration.ofSeconds(90));
            assertThat(hit.outcome().matchedText()).isEqualTo("how do i reset it");
            assertThat(hit.outcome().reused()).isTrue();
        });
        assertThat(cache.statistics().hits()).isEqualTo(1);
    }

    /** Of another process or an earlier run; what this one stored, the exact tier of the balancer answers before. */
    @Test
    void theVerySameRequestIsAnsweredWithoutAnEmbedding() {
        put(cache, "how do i reset it", "press the button");
        int asked = embedder.asked.size();

        assertThat(lookup(cache, "how do i reset it")).isInstanceOfSatisfying(CacheLookup.Hit.class, hit -> {
            assertThat(hit.outcome().similarity()).isEqualTo(1);
            assertThat(hit.answer().completion().text()).isEqualTo("press the button");
        });
        assertThat(embedder.asked).hasSize(asked);
        assertThat(cache.statistics().hits()).isEqualTo(1);
    }

    @Test
    void theVerySameRequestIsNotAnsweredByWhatHasExpiredOrWasInvalidated() {
        put(cache, "how do i reset it", "press the button");
        scheduler.advance(SemanticCache.DEFAULT_TIME_TO_LIVE);
        assertThat(lookup(cache, "how do i reset it")).isInstanceOf(CacheLookup.Miss.class);

        put(cache, "how do i reset it", "press the button");
        cache.invalidateAll();
        assertThat(lookup(cache, "how do i reset it")).isInstanceOf(CacheLookup.Miss.class);
    }

    @Test
    void aHitIsReplayedAsAStream() {
        put(cache, "tell me", "It was a dark and stormy night.");
        CacheLookup.Hit hit = (CacheLookup.Hit) lookup(cache, "tell me");
        CompletionCollector collector = new CompletionCollector(Operation.CHAT);
        List<CompletionChunk> chunks = hit.answer().chunks();
        chunks.forEach(collector::add);

        assertThat(chunks).hasSizeGreaterThan(6);
        assertThat(collector.completion().text()).isEqualTo("It was a dark and stormy night.");
    }

    /** Everything a request can differ in beside its last user text, and who asks; all texts are alike to the embedder. */
    @Test
    void noTwoRequestsThatDifferInAnythingElseEverHitEachOther() {
        Random random = new Random(11);
        for (int round = 0; round < 3_000; round++) {
            int[] mine = random.ints(14, 0, 2).toArray();
            int[] theirs = mine.clone();
            theirs[random.nextInt(theirs.length)] ^= 1;
            SemanticCache fresh = builder().build();
            put(fresh, request(mine, "question a"), options(mine), "mine");

            assertThat(text(lookup(fresh, request(mine, "question b"), options(mine))))
                    .isEqualTo("mine");
            assertThat(lookup(fresh, request(theirs, "question b"), options(theirs)))
                    .isInstanceOf(CacheLookup.Miss.class);
        }
    }

    private static CompletionRequest request(int[] choice, String text) {
        return CompletionRequest.builder("model-" + choice[0])
                .system("system " + choice[1])
                .user("before " + choice[2])
                .assistant("answered " + choice[3])
                .user(text)
                .tool(Map.of("type", "function", "name", "f" + choice[4]))
                .toolChoice("choice " + choice[5])
                .responseFormat(Map.of("type", "t" + choice[6]))
                .temperature(choice[7] / 10.0)
                .seed(choice[8])
                .maxTokens(1 + choice[9])
                .stop("stop " + choice[10])
                .extra(Map.of("adapter", "a" + choice[11]))
                .build();
    }

    private static CallOptions options(int[] choice) {
        return CallOptions.builder()
                .tenant("t" + choice[12])
                .cache(CacheControl.builder().namespace("n" + choice[13]).build())
                .build();
    }

    @Test
    void tenantsShareAnswersOnlyWhenTheScopeIsGlobal() {
        SemanticCache global = builder().scope(CacheScope.GLOBAL).build();
        put(cache, ask("q"), tenant("alice"), "of alice");

        assertThat(lookup(cache, ask("q"), tenant("bob"))).isInstanceOf(CacheLookup.Miss.class);
        assertThat(lookup(cache, ask("q"), CallOptions.DEFAULT)).isInstanceOf(CacheLookup.Miss.class);
        assertThat(cache.scope()).isEqualTo(CacheScope.TENANT);
        assertThat(global.scope()).isEqualTo(CacheScope.GLOBAL);
    }

    @Test
    void onlyWholeAnswersAreKept() {
        CacheLookup.Miss miss = (CacheLookup.Miss) lookup(cache, "q");
        cache.store(key(ask("q"), CallOptions.DEFAULT), miss, answer("cut", FinishReason.LENGTH));
        cache.store(key(ask("q"), CallOptions.DEFAULT), miss, answer("calls", FinishReason.TOOL_CALLS));
        cache.store(key(ask("q"), CallOptions.DEFAULT), miss, answer("", FinishReason.STOP));

        assertThat(cache.statistics().entries()).isZero();
        assertThat(cache.statistics().refusals()).containsEntry("answer", 3L);
    }

    @Test
    void theEmbeddingOfAMissIsComputedOnce() {
        CacheLookup.Miss miss = (CacheLookup.Miss) lookup(cache, "q");
        cache.store(key(ask("q"), CallOptions.DEFAULT), miss, answer("a"));

        assertThat(embedder.asked).containsExactly("q");
        assertThat(text(lookup(cache, "q"))).isEqualTo("a");
    }

    @Test
    void theEmbedderRunsOnAThreadOfTheCache() throws Exception {
        CompletableFuture<String> thread = new CompletableFuture<>();
        try (SemanticCache own = SemanticCache.builder(new ForwardingEmbedder(embedder) {
                    @Override
                    public CompletionStage<List<Embedding>> embed(List<String> texts) {
                        thread.complete(Thread.currentThread().getName());
                        return embedder.embed(texts);
                    }
                })
                .build()) {
            lookup(own, "q");
        }

        assertThat(thread.get()).startsWith("semantic-cache-");
    }

    @Test
    void anEmbedderThatFailsIsLateOrSendsNonsenseMakesAMiss() {
        embedder.failure = new IllegalStateException("no");
        assertThat(lookup(cache, "q").outcome()).isEqualTo(new CacheOutcome.Bypass("embedder failed"));
        embedder.failure = null;
        embedder.sentDimension = 3;
        assertThat(lookup(cache, "q").outcome()).isEqualTo(new CacheOutcome.Bypass("embedder failed"));
        embedder.sentDimension = 2;
        embedder.hanging = new CompletableFuture<>();
        CompletableFuture<CacheLookup> late =
                cache.lookup(key(ask("q"), CallOptions.DEFAULT), ask("q")).toCompletableFuture();
        assertThat(late).isNotDone();
        scheduler.advance(SemanticCache.DEFAULT_EMBED_TIMEOUT);
        assertThat(late.join().outcome()).isEqualTo(new CacheOutcome.Bypass("embedder late"));
        embedder.hanging.complete(List.of());
        embedder.hanging = CompletableFuture.completedFuture(List.of());
        assertThat(lookup(cache, "q").outcome()).isEqualTo(new CacheOutcome.Bypass("embedder failed"));

        assertThat(cache.statistics().bypasses())
                .containsEntry("embedder failed", 3L)
                .containsEntry("embedder late", 1L);
    }

    @Test
    void tooManyLookupsAreMissesAndNotAQueueWithoutEnd() {
        SemanticCache busy = builder()
                .executor(task -> {
                    throw new RejectedExecutionException("full");
                })
                .build();

        assertThat(lookup(busy, "q").outcome()).isEqualTo(new CacheOutcome.Bypass("busy"));
    }

    @Test
    void textTheEmbedderCutsOffIsNeitherFoundNorKept() {
        put(cache, "q", "a");
        embedder.truncated = true;
        CacheLookup.Miss miss = (CacheLookup.Miss) lookup(cache, "r");
        cache.store(key(ask("r"), CallOptions.DEFAULT), miss, answer("b"));

        assertThat(miss.outcome()).isEqualTo(new CacheOutcome.Bypass("truncated"));
        assertThat(cache.statistics().entries()).isEqualTo(1);
    }

    @Test
    void aPromptOfTenMegabytesIsAMissWithoutAnEmbedding() {
        assertThat(lookup(cache, "x".repeat(10_000_000)).outcome()).isEqualTo(new CacheOutcome.Bypass("long text"));
        assertThat(lookup(cache, "  ").outcome()).isEqualTo(new CacheOutcome.Bypass("no text"));
        assertThat(embedder.asked).isEmpty();
    }

    @Test
    void aDifferenceThatEmbeddingsDoNotSeeIsAVetoAndTheNextEntryIsLookedAt() {
        embedder.at(0, "is it safe to mix them")
                .at(5, "is it unsafe to mix them")
                .at(15, "can they be mixed safely");
        put(cache, "is it safe to mix them", "yes");

        CacheLookup lookup = lookup(cache, "is it unsafe to mix them");
        assertThat(lookup.outcome())
                .isInstanceOfSatisfying(
                        CacheOutcome.Veto.class,
                        veto -> assertThat(veto.reason()).isEqualTo("antonyms"));
        assertThat(cache.statistics().vetoes()).containsEntry(Veto.ANTONYMS, 1L);

        embedder.at(7, "what of 3").at(8, "what of 4").at(20, "so what of 3");
        put(cache, "what of 4", "four");
        put(cache, "what of 3", "three");
        assertThat(text(lookup(cache, "so what of 3"))).isEqualTo("three");
    }

    @Test
    void theLeastRecentlyUsedGoesFirstOverAllAndWithinATenant() {
        SemanticCache small = builder().maximumSize(3).build();
        spread(4);
        put(small, "q0", "a0");
        put(small, "q1", "a1");
        put(small, "q2", "a2");
        lookup(small, "q0");
        put(small, "q3", "a3");

        assertThat(IntStream.range(0, 4).filter(i -> lookup(small, "q" + i) instanceof CacheLookup.Hit))
                .containsExactly(0, 2, 3);
        assertThat(small.statistics().evictions()).isEqualTo(1);
    }

    @Test
    void aTenantThatFillsItsShareEvictsItsOwn() {
        spread(40);
        SemanticCache shared = builder().maximumBytes(40_000).tenantShare(0.5).build();
        put(shared, ask("q0"), tenant("alice"), "a");
        for (int i = 1; i < 40; i++) {
            put(shared, ask("q" + i), tenant("bob"), "b");
        }

        assertThat(shared.statistics().bytes()).isLessThanOrEqualTo(25_000);
        assertThat(shared.statistics().evictions()).isPositive();
        assertThat(lookup(shared, ask("q0"), tenant("alice"))).isInstanceOf(CacheLookup.Hit.class);
        assertThat(lookup(shared, ask("q39"), tenant("bob"))).isInstanceOf(CacheLookup.Hit.class);
        assertThat(lookup(shared, ask("q1"), tenant("bob"))).isInstanceOf(CacheLookup.Miss.class);
    }

    private void spread(int questions) {
        for (int i = 0; i < questions; i++) {
            embedder.at(360.0 * i / questions, "q" + i);
        }
    }

    @Test
    void anAnswerExpiresAfterItsTimeAndTheJitterOnlyShortensIt() {
        CallOptions brief = CallOptions.builder()
                .cache(CacheControl.builder().timeToLive(Duration.ofSeconds(10)).build())
                .build();
        embedder.at(0, "q").at(90, "r");
        put(cache, "q", "a");
        put(cache, ask("r"), brief, "b");
        scheduler.advance(Duration.ofSeconds(8));
        assertThat(lookup(cache, "r")).isInstanceOf(CacheLookup.Hit.class);
        scheduler.advance(Duration.ofSeconds(2));
        assertThat(lookup(cache, "r")).isInstanceOf(CacheLookup.Miss.class);
        assertThat(lookup(cache, "q")).isInstanceOf(CacheLookup.Hit.class);
        scheduler.advance(SemanticCache.DEFAULT_TIME_TO_LIVE);
        assertThat(lookup(cache, "q")).isInstanceOf(CacheLookup.Miss.class);

        assertThat(cache.statistics().expirations()).isEqualTo(2);
        assertThat(cache.statistics().entries()).isZero();
    }

    @Test
    void invalidationTakesOutWhatThePredicateNames() {
        embedder.at(0, "q").at(90, "r");
        put(cache, "q", "old price");
        put(cache, "r", "other");

        assertThat(cache.invalidate(entry -> entry.answer().text().contains("price")))
                .isEqualTo(1);
        assertThat(lookup(cache, "q")).isInstanceOf(CacheLookup.Miss.class);
        assertThat(lookup(cache, "r")).isInstanceOf(CacheLookup.Hit.class);
    }

    @Test
    void anAnswerToAQuestionAskedBeforeANewEpochIsNotStoredInIt() {
        put(cache, "r", "b");
        CacheLookup.Miss miss = (CacheLookup.Miss) lookup(cache, ask("q"), tenant("t"));
        cache.invalidateAll();
        cache.store(key(ask("q"), tenant("t")), miss, answer("stale"));

        assertThat(lookup(cache, ask("q"), tenant("t"))).isInstanceOf(CacheLookup.Miss.class);
        assertThat(lookup(cache, "r")).isInstanceOf(CacheLookup.Miss.class);
        assertThat(cache.statistics().refusals()).containsEntry("invalidated", 1L);
    }

    @Test
    void aClosedCacheAnswersWithMissesAndLeavesNobodyWaiting() {
        embedder.hanging = new CompletableFuture<>();
        CompletableFuture<CacheLookup> waiting =
                cache.lookup(key(ask("q"), CallOptions.DEFAULT), ask("q")).toCompletableFuture();
        cache.close();

        assertThat(waiting.join().outcome()).isEqualTo(new CacheOutcome.Bypass("closed"));
        assertThat(lookup(cache, "q").outcome()).isEqualTo(new CacheOutcome.Bypass("closed"));
    }

    @Test
    void badSettingsAreRefusedByName() {
        assertThatThrownBy(() -> builder().maximumBytes(0)).hasMessageContaining("maximumBytes");
        assertThatThrownBy(() -> builder().tenantShare(2)).hasMessageContaining("tenantShare");
        assertThatThrownBy(() -> builder().threshold(Double.NaN)).hasMessageContaining("threshold");
        assertThatThrownBy(() -> builder().timeToLive(Duration.ZERO)).hasMessageContaining("timeToLive");
    }

    @Test
    void auditsGoToAFewHitsAndRaiseTheThresholdThatLetsErrorsPass() {
        List<Completion> compared = new ArrayList<>();
        SemanticCache audited = builder()
                .audit(Audit.builder()
                        .share(1)
                        .maximumPerMinute(60)
                        .comparator((cached, fresh) -> {
                            compared.add(fresh);
                            return CompletableFuture.completedStage(false);
                        })
                        .build())
                .build();
        embedder.at(0, "q").at(10, "near");
        put(audited, "q", "a");
        int checks = 0;
        for (int i = 0; i < 100 && lookup(audited, "near") instanceof CacheLookup.Hit hit; i++) {
            checks += hit.audit().isPresent() ? 1 : 0;
            hit.audit().ifPresent(audit -> audit.accept(answer("something else")));
            scheduler.advance(Duration.ofMillis(500));
        }

        SemanticCacheStatistics.Group group = audited.statistics().groups().get(0);
        assertThat(checks).isEqualTo(compared.size()).isBetween(2, 50);
        assertThat(group.errors()).isEqualTo(compared.size());
        assertThat(group.threshold()).isGreaterThan(Math.cos(Math.toRadians(10)));
        assertThat(lookup(audited, "near")).isInstanceOf(CacheLookup.Miss.class);
    }

    @Test
    void aComparatorThatThrowsHarmsNothing() {
        SemanticCache audited = builder()
                .audit(Audit.builder()
                        .share(1)
                        .comparator((cached, fresh) -> {
                            throw new IllegalStateException("no");
                        })
                        .build())
                .build();
        put(audited, "q", "a");
        CacheLookup.Hit hit = (CacheLookup.Hit) lookup(audited, "near");
        hit.audit().orElseThrow().accept(answer("b"));

        assertThat(audited.statistics().auditFailures()).isEqualTo(1);
        assertThat(lookup(audited, "q")).isInstanceOf(CacheLookup.Hit.class);
    }
}
