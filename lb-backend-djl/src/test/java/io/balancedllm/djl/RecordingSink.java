/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionCollector;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Keeps what a generation says and checks the grammar of it. */
final class RecordingSink implements GenerationSink {
    final List<CompletionChunk> chunks = new CopyOnWriteArrayList<>();
    private final CountDownLatch ended = new CountDownLatch(1);
    volatile String terminal = "";
    volatile @Nullable LlmException failure;
    volatile boolean accepted;
    Runnable eachChunk = () -> {};

    @Override
    public void accepted(ResponseInfo info) {
        assertThat(accepted).isFalse();
        open();
        accepted = true;
    }

    @Override
    public void alive() {
        open();
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        open();
        assertThat(accepted).isTrue();
        chunks.add(chunk);
        eachChunk.run();
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

    Completion completion() {
        assertThat(terminal).as(String.valueOf(failure)).isEqualTo("completed");
        CompletionCollector collector = new CompletionCollector(Operation.TEXT);
        chunks.forEach(collector::add);
        return collector.completion();
    }

    LlmException failure() {
        LlmException cause = failure;
        if (cause == null) {
            throw new AssertionError("did not fail but " + terminal);
        }
        return cause;
    }

    RecordingSink await() throws InterruptedException {
        assertThat(ended.await(30, TimeUnit.SECONDS)).isTrue();
        return this;
    }

    private void end(String how) {
        open();
        terminal = how;
        ended.countDown();
    }

    private void open() {
        assertThat(terminal).isEmpty();
    }
}
