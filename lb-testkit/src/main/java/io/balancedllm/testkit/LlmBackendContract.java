/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Prompt;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.testkit.RecordingSink.Signal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * What every {@link LlmBackend} must hold to: the grammar of its sink, demand, one end whatever happens. Extend it and
 * your backend is tested:
 *
 * <pre>{@code
 * class MyBackendTest extends LlmBackendContract {
 *     protected LlmBackend createBackend() { return new MyBackend(); }
 * }
 * }</pre>
 *
 * <p>Waits for what must come, for {@link #patience} at most. For what must not come there is no moment to wait for:
 * whole further generations run meanwhile, and a breach is noted whenever it happens before the test ends.
 */
public abstract class LlmBackendContract {
    /** Chunks {@link #request} must yield at least. */
    private static final int FEWEST_CHUNKS = 3;

    private static final int CONCURRENT = 8;

    private final List<LlmBackend> backends = new ArrayList<>();
    private final List<RecordingSink> sinks = new ArrayList<>();

    /** {@return a new, ready backend; the contract closes it} */
    protected abstract LlmBackend createBackend();

    /**
     * {@return a new backend whose endpoint takes an attempt and never answers, empty where there is no such thing; the
     * contract closes it}
     */
    protected Optional<LlmBackend> createSilentBackend() {
        return Optional.empty();
    }

    /**
     * {@return a request that this backend answers with three chunks or more, each time: for one that draws its tokens, with
     * temperature 0 or a seed}
     */
    protected CompletionRequest request() {
        return CompletionRequest.builder()
                .user("Tell me about the little fox")
                .maxTokens(16)
                .build();
    }

    /** {@return how long to wait for something that must come} */
    protected Duration patience() {
        return Duration.ofSeconds(10);
    }

    @AfterEach
    void everyAttemptEndsAndKeepsToTheGrammar() {
        backends.forEach(LlmBackend::close);
        for (RecordingSink sink : sinks) {
            sink.awaitEnd(patience());
            assertThat(sink.violations()).as(sink.toString()).isEmpty();
        }
    }

    @Test
    void answersWithAcceptedChunksAndOneEnd() {
        RecordingSink sink = start(open());
        sink.requestAll();
        assertCompletes(sink);
        assertThat(sink.chunks().stream().anyMatch(chunk -> chunk.hasOutput()))
                .as("some chunk has output")
                .isTrue();
    }

    @Test
    void sendsNoChunkBeforeOneIsAskedFor() {
        LlmBackend backend = open();
        RecordingSink waiting = start(backend);
        assertAnswers(backend);
        assertThat(waiting.chunks()).isEmpty();
        assertThat(waiting.terminal()).isEmpty();
        waiting.requestAll();
        assertCompletes(waiting);
    }

    @Test
    void sendsNoMoreChunksThanWereAskedFor() {
        LlmBackend backend = open();
        RecordingSink sink = start(backend);
        for (int chunk = 1; chunk < FEWEST_CHUNKS; chunk++) {
            sink.request(1);
            sink.awaitChunks(chunk, patience());
            assertAnswers(backend);
            assertThat(sink.chunks()).hasSize(chunk);
        }
        sink.requestAll();
        assertCompletes(sink);
    }

    @Test
    void addsRequestsUp() {
        RecordingSink sink = start(open());
        sink.request(1);
        sink.request(1);
        sink.awaitChunks(2, patience());
        sink.requestAll();
        sink.requestAll();
        assertCompletes(sink);
    }

    @Test
    void takesARequestFromInsideAChunk() {
        RecordingSink sink = start(open(), request(), inside -> inside.request(1));
        sink.request(1);
        assertCompletes(sink);
    }

    @Test
    void cancelRightAfterTheStartEndsIt() {
        RecordingSink sink = start(open());
        sink.cancel();
        assertThat(sink.awaitEnd(patience())).isEqualTo(Signal.CANCELLED);
        assertThat(sink.chunks()).isEmpty();
    }

    @Test
    void cancelAfterAcceptedEndsIt() {
        RecordingSink sink = start(open());
        sink.await(Signal.ACCEPTED, patience());
        assertCancels(sink);
    }

    @Test
    void cancelBetweenChunksEndsIt() {
        for (int after = 1; after < FEWEST_CHUNKS; after++) {
            RecordingSink sink = start(open());
            sink.request(after);
            sink.awaitChunks(after, patience());
            assertCancels(sink);
            assertThat(sink.chunks()).hasSize(after);
        }
    }

    @Test
    void cancelFromInsideAChunkEndsIt() {
        RecordingSink sink = start(open(), request(), RecordingSink::cancel);
        sink.request(1);
        assertThat(sink.awaitEnd(patience())).isEqualTo(Signal.CANCELLED);
    }

    @Test
    void cancelInFullFlowEndsItOnce() {
        LlmBackend backend = open();
        for (int i = 0; i < 20; i++) {
            RecordingSink sink = start(backend);
            sink.requestAll();
            sink.cancel();
            sink.cancel();
            sink.awaitEnd(patience());
        }
        assertAnswers(backend);
    }

    @Test
    void cancelAfterTheEndChangesNothing() {
        LlmBackend backend = open();
        RecordingSink sink = start(backend);
        sink.requestAll();
        assertCompletes(sink);
        sink.cancel();
        sink.request(1);
        assertAnswers(backend);
        assertThat(sink.terminal()).contains(Signal.COMPLETED);
    }

    @Test
    void cancelOfASilentEndpointEndsIt() {
        RecordingSink sink = start(openSilent());
        sink.requestAll();
        assertCancels(sink);
    }

    @Test
    void cancelRacingRequestsEndsItOnce() throws Exception {
        LlmBackend backend = open();
        inParallel(CONCURRENT, number -> {
            for (int i = 0; i < 10; i++) {
                RecordingSink sink = start(backend, request(), inside -> inside.request(1));
                CompletableFuture<Void> canceller = CompletableFuture.runAsync(sink::cancel);
                sink.request(1);
                canceller.join();
                sink.awaitEnd(patience());
            }
        });
    }

    @Test
    void runsSeveralGenerationsAtATime() throws Exception {
        LlmBackend backend = open();
        List<RecordingSink> together =
                IntStream.range(0, CONCURRENT).mapToObj(i -> start(backend)).toList();
        inParallel(CONCURRENT, number -> {
            RecordingSink sink = together.get(number);
            sink.request(1);
            sink.awaitChunks(1, patience());
            sink.requestAll();
            assertCompletes(sink);
        });
    }

    @Test
    void startThrowsNothingWhateverIsAsked() {
        LlmBackend backend = open();
        List<CompletionRequest> oddities = List.of(
                CompletionRequest.of(""),
                request().newBuilder().n(3).build(),
                request().newBuilder().maxTokens(0).build(),
                request().newBuilder().model("no such model").build(),
                request().newBuilder().stop("the").build(),
                request()
                        .newBuilder()
                        .extra(Map.of("no_such_field", List.of(1, "two")))
                        .build(),
                CompletionRequest.builder().prompt(new Prompt.Tokens(1, 2, 3)).build(),
                CompletionRequest.builder()
                        .prompt(new Prompt.Texts(List.of("Once", "upon")))
                        .build());
        for (CompletionRequest oddity : oddities) {
            RecordingSink sink = start(backend, oddity, inside -> {});
            sink.requestAll();
            Signal end = sink.awaitEnd(patience());
            assertThat(end).as("%s: %s", oddity.prompt(), sink).isNotEqualTo(Signal.CANCELLED);
        }
        assertAnswers(backend);
    }

    @Test
    void closeFailsWhatRuns() {
        LlmBackend backend = open();
        RecordingSink unasked = start(backend);
        RecordingSink begun = start(backend);
        begun.request(1);
        begun.awaitChunks(1, patience());
        backend.close();
        assertFails(unasked);
        assertFails(begun);
    }

    @Test
    void closeFailsWhatWaitsForASilentEndpoint() {
        LlmBackend backend = openSilent();
        RecordingSink sink = start(backend);
        sink.requestAll();
        backend.close();
        assertFails(sink);
    }

    @Test
    void closedFailsEveryStart() {
        LlmBackend backend = open();
        backend.close();
        backend.close();
        RecordingSink sink = start(backend);
        sink.requestAll();
        assertFails(sink);
    }

    @Test
    void probeFindsAReadyBackendIdleAndBusy() throws Exception {
        LlmBackend backend = open();
        assertThat(probe(backend, patience()).status()).isEqualTo(ProbeResult.Status.READY);
        RecordingSink busy = start(backend);
        busy.request(1);
        busy.awaitChunks(1, patience());
        assertThat(probe(backend, patience()).status()).isEqualTo(ProbeResult.Status.READY);
    }

    @Test
    void probeAnswersWithinNoTimeAndAfterClose() throws Exception {
        LlmBackend backend = open();
        assertThat(probe(backend, Duration.ofNanos(1)).detail()).isNotNull();
        backend.close();
        assertThat(probe(backend, patience()).status()).isEqualTo(ProbeResult.Status.UNHEALTHY);
    }

    @Test
    void embedsOrSaysThatItCannot() throws Exception {
        LlmBackend backend = open();
        boolean promised = backend.traits().operations().contains(Operation.EMBEDDINGS);
        CompletableFuture<Embeddings> future = backend.embed(Attempt.of(EmbeddingRequest.of("Once", "upon a time")))
                .toCompletableFuture();
        try {
            Embeddings embeddings = future.get(patience().toMillis(), TimeUnit.MILLISECONDS);
            assertThat(embeddings.vectors()).hasSize(2);
        } catch (ExecutionException e) {
            assertThat(e.getCause()).isInstanceOfSatisfying(LlmException.class, cause -> {
                if (!promised) {
                    assertThat(cause.reason()).isEqualTo(LlmException.Reason.UNSUPPORTED);
                }
            });
        }
    }

    @Test
    void tellsTraitsAlsoAfterClose() {
        LlmBackend backend = open();
        assertThat(backend.traits().operations()).isNotEmpty();
        backend.close();
        assertThatCode(backend::traits).doesNotThrowAnyException();
    }

    private LlmBackend open() {
        LlmBackend backend = createBackend();
        backends.add(backend);
        return backend;
    }

    private LlmBackend openSilent() {
        Optional<LlmBackend> backend = createSilentBackend();
        assumeTrue(backend.isPresent(), "this backend has no endpoint that could be silent");
        backends.add(backend.orElseThrow());
        return backend.orElseThrow();
    }

    private RecordingSink start(LlmBackend backend) {
        return start(backend, request(), inside -> {});
    }

    private RecordingSink start(LlmBackend backend, CompletionRequest request, Consumer<RecordingSink> onChunk) {
        RecordingSink sink = RecordingSink.start(backend, Attempt.of(request), onChunk);
        synchronized (sinks) {
            sinks.add(sink);
        }
        return sink;
    }

    /** Runs a whole generation: gives whoever breaks a rule the time to do so. */
    private void assertAnswers(LlmBackend backend) {
        RecordingSink sink = start(backend);
        sink.requestAll();
        assertCompletes(sink);
    }

    private void assertCompletes(RecordingSink sink) {
        assertThat(sink.awaitEnd(patience())).as(sink.toString()).isEqualTo(Signal.COMPLETED);
        assertThat(sink.chunks())
                .as("the contract's request must yield chunks enough")
                .hasSizeGreaterThanOrEqualTo(FEWEST_CHUNKS);
    }

    private void assertCancels(RecordingSink sink) {
        sink.cancel();
        assertThat(sink.awaitEnd(patience())).as(sink.toString()).isEqualTo(Signal.CANCELLED);
    }

    private void assertFails(RecordingSink sink) {
        assertThat(sink.awaitEnd(patience())).as(sink.toString()).isEqualTo(Signal.FAILED);
        assertThat(sink.failure()).isPresent();
    }

    private ProbeResult probe(LlmBackend backend, Duration timeout) throws Exception {
        return backend.probe(timeout).toCompletableFuture().get(patience().toMillis(), TimeUnit.MILLISECONDS);
    }

    private void inParallel(int threads, Consumer<Integer> task) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try {
            CountDownLatch ready = new CountDownLatch(threads);
            List<Future<?>> futures = new ArrayList<>();
            for (int number = 0; number < threads; number++) {
                int own = number;
                futures.add(pool.submit(() -> {
                    ready.countDown();
                    try {
                        ready.await();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                        return;
                    }
                    task.accept(own);
                }));
            }
            for (Future<?> future : futures) {
                future.get(3 * patience().toMillis(), TimeUnit.MILLISECONDS);
            }
        } finally {
            pool.shutdownNow();
        }
    }
}
