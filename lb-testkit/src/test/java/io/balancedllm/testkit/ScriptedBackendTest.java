/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.testkit.RecordingSink.Signal;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

class ScriptedBackendTest extends LlmBackendContract {
    private final ScriptedBackend backend = new ScriptedBackend();

    @Override
    protected LlmBackend createBackend() {
        return ScriptedBackend.answering("Once", " upon", " a", " time");
    }

    @Override
    protected Optional<LlmBackend> createSilentBackend() {
        return Optional.of(new ScriptedBackend());
    }

    @Test
    void doesWhatTheScriptSaysStepByStep() {
        RecordingSink sink = start();
        ScriptedAttempt attempt = backend.takeAttempt();
        assertThat(attempt.request().prompt())
                .isEqualTo(CompletionRequest.of("Once").prompt());
        sink.request(1);
        attempt.accept().alive();
        assertThat(sink.signals()).containsExactly(Signal.ACCEPTED, Signal.ALIVE);
        attempt.chunk(" upon").chunk(" a").complete();
        assertThat(sink.text()).isEqualTo(" upon");
        assertThat(attempt.isEnded()).isFalse();
        sink.request(1);
        assertThat(sink.text()).isEqualTo(" upon a");
        assertThat(sink.terminal()).contains(Signal.COMPLETED);
        assertThat(backend.running()).isZero();
    }

    @Test
    void failsBehindTheChunksThatWentBefore() {
        RecordingSink sink = start();
        backend.takeAttempt().accept().chunk("half").fail(LlmException.Reason.TRUNCATED);
        assertThat(sink.terminal()).isEmpty();
        sink.requestAll();
        assertThat(sink.signals()).containsExactly(Signal.ACCEPTED, Signal.CHUNK, Signal.FAILED);
        assertThat(sink.failure().map(LlmException::reason)).contains(LlmException.Reason.TRUNCATED);
    }

    @Test
    void aCancelDropsWhatHasNotGoneOut() {
        RecordingSink sink = start();
        ScriptedAttempt attempt = backend.takeAttempt().accept().chunk("never");
        sink.cancel();
        assertThat(attempt.isCancelAsked()).isTrue();
        assertThat(sink.signals()).containsExactly(Signal.ACCEPTED, Signal.CANCELLED);
        attempt.chunk("after the end from the other side").complete();
        assertThat(sink.violations()).isEmpty();
    }

    @Test
    void mayIgnoreACancelAndObeyLater() {
        RecordingSink sink = start();
        ScriptedAttempt attempt = backend.takeAttempt().accept().ignoreCancel();
        sink.request(1);
        sink.cancel();
        attempt.chunk("still talking");
        assertThat(sink.terminal()).isEmpty();
        attempt.cancelled();
        assertThat(sink.signals()).containsExactly(Signal.ACCEPTED, Signal.CHUNK, Signal.CANCELLED);
    }

    @Test
    void aCancelFromInsideAChunkWaitsForTheChunkToReturn() {
        RecordingSink sink = RecordingSink.start(backend, Attempt.of(request()), RecordingSink::cancel);
        sink.requestAll();
        backend.takeAttempt().accept().chunk("one").chunk("two");
        assertThat(sink.signals()).containsExactly(Signal.ACCEPTED, Signal.CHUNK, Signal.CANCELLED);
        assertThat(sink.violations()).isEmpty();
    }

    @Test
    void aScriptHasOneEndUnlessItGoesRoundTheGrammar() {
        RecordingSink sink = start();
        ScriptedAttempt attempt = backend.takeAttempt().accept().complete();
        assertThatThrownBy(() -> attempt.fail(LlmException.Reason.SERVER_ERROR))
                .isInstanceOf(IllegalStateException.class);
        attempt.sink().cancelled();
        assertThat(sink.violations()).isNotEmpty();
    }

    @RepeatedTest(50)
    void whatAttemptsDoAtTheirStartIsForThoseThatStartLater() {
        CompletableFuture<RecordingSink> starting =
                CompletableFuture.supplyAsync(() -> RecordingSink.start(backend, request()));
        ScriptedAttempt first = backend.takeAttempt(patience());
        backend.onStart(attempt -> attempt.fail(LlmException.Reason.SERVER_ERROR));

        RecordingSink sink = starting.join();

        assertThat(sink.terminal()).isEmpty();
        first.accept().complete();
    }

    @Test
    void saysHowManyAttemptsThereWereWhenThereIsNoneToTake() {
        start();
        backend.takeAttempt().finish(FinishReason.STOP);
        assertThatThrownBy(backend::takeAttempt)
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("1");
        assertThat(backend.started()).isEqualTo(1);
        assertThat(backend.running()).isEqualTo(1);
    }

    private RecordingSink start() {
        return RecordingSink.start(backend, CompletionRequest.of("Once"));
    }
}
