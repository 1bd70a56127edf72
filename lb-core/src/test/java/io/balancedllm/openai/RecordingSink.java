/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** Notes what comes, and whether the grammar is kept. */
final class RecordingSink implements GenerationSink {
    private static final int DEADLINE_SECONDS = 20;

    final List<CompletionChunk> chunks = new CopyOnWriteArrayList<>();
    final AtomicInteger alive = new AtomicInteger();
    final List<EngineReport> reports = new CopyOnWriteArrayList<>();
    final Semaphore arrived = new Semaphore(0);
    final CountDownLatch accepted = new CountDownLatch(1);
    volatile @Nullable ResponseInfo info;
    volatile @Nullable LlmException failure;
    volatile String end = "";
    private final CountDownLatch ended = new CountDownLatch(1);
    private final AtomicInteger inside = new AtomicInteger();
    private final List<String> violations = new CopyOnWriteArrayList<>();

    @Override
    public void accepted(ResponseInfo head) {
        call("accepted", () -> info = head);
        accepted.countDown();
    }

    @Override
    public void alive() {
        call("alive", alive::incrementAndGet);
    }

    @Override
    public void report(EngineReport report) {
        call("report", () -> reports.add(report));
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        call("chunk", () -> chunks.add(chunk));
        arrived.release();
    }

    @Override
    public void completed() {
        end("completed");
    }

    @Override
    public void failed(LlmException cause) {
        failure = cause;
        end("failed");
    }

    @Override
    public void cancelled() {
        end("cancelled");
    }

    private void call(String name, Runnable note) {
        if (inside.incrementAndGet() != 1) {
            violations.add(name + " at the same time as another call");
        }
        if (!end.isEmpty()) {
            violations.add(name + " after " + end);
        }
        note.run();
        inside.decrementAndGet();
    }

    private void end(String how) {
        call(how, () -> end = how);
        ended.countDown();
    }

    String awaitEnd() throws InterruptedException {
        assertThat(ended.await(DEADLINE_SECONDS, TimeUnit.SECONDS))
                .as("ended in time")
                .isTrue();
        assertThat(violations).isEmpty();
        return end;
    }

    LlmException awaitFailure() throws InterruptedException {
        assertThat(awaitEnd()).isEqualTo("failed");
        LlmException cause = failure;
        if (cause == null) {
            throw new AssertionError("no cause");
        }
        return cause;
    }

    void awaitChunks(int count) throws InterruptedException {
        assertThat(arrived.tryAcquire(count, DEADLINE_SECONDS, TimeUnit.SECONDS))
                .as("chunks in time")
                .isTrue();
    }

    String text() {
        StringBuilder text = new StringBuilder();
        chunks.forEach(chunk -> text.append(chunk.text()));
        return text.toString();
    }
}
