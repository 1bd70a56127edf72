/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.testkit.RecordingSink.Signal;
import org.junit.jupiter.api.Test;

class EchoBackendTest extends LlmBackendContract {
    @Override
    protected LlmBackend createBackend() {
        return new EchoBackend();
    }

    @Test
    void echoesThePromptWordByWord() {
        RecordingSink sink = echo(CompletionRequest.of("Once  upon\na time "));
        assertThat(sink.chunks().stream().map(CompletionChunk::text))
                .containsExactly("Once", "  upon", "\na", " time", " ", "");
        assertThat(sink.text()).isEqualTo("Once  upon\na time ");
    }

    @Test
    void echoesTheLastMessageOfAChat() {
        RecordingSink sink = echo(CompletionRequest.builder()
                .system("Be brief")
                .user("Hello")
                .assistant("Yes?")
                .user("Bye now")
                .build());
        assertThat(sink.text()).isEqualTo("Bye now");
    }

    @Test
    void countsWordsAsTokensAndObeysTheLimit() {
        RecordingSink sink = echo(CompletionRequest.builder()
                .prompt("Once upon a time")
                .maxTokens(2)
                .build());
        assertThat(sink.text()).isEqualTo("Once upon");
        CompletionChunk last = sink.chunks().get(sink.chunks().size() - 1);
        assertThat(last.usage()).contains(Usage.builder(4, 2).build());
        assertThat(last)
                .isInstanceOfSatisfying(
                        CompletionChunk.Delta.class,
                        delta -> assertThat(delta.finishReason()).contains(FinishReason.LENGTH));
    }

    @Test
    void saysThatItCannotEchoTokens() {
        RecordingSink sink = RecordingSink.start(
                new EchoBackend(),
                CompletionRequest.builder().prompt(new Prompt.Tokens(1, 2)).build());
        assertThat(sink.signals()).containsExactly(Signal.FAILED);
        assertThat(sink.failure().map(LlmException::reason)).contains(LlmException.Reason.UNSUPPORTED);
    }

    @Test
    void doesNothingOnTheThreadOfItsCaller() {
        ManualExecutor executor = new ManualExecutor();
        RecordingSink sink = RecordingSink.start(new EchoBackend(executor), CompletionRequest.of("Once upon"));
        sink.requestAll();
        assertThat(sink.signals()).isEmpty();
        executor.runAll();
        assertThat(sink.signals())
                .containsExactly(Signal.ACCEPTED, Signal.CHUNK, Signal.CHUNK, Signal.CHUNK, Signal.COMPLETED);
    }

    private RecordingSink echo(CompletionRequest request) {
        RecordingSink sink = RecordingSink.start(new EchoBackend(), request);
        sink.requestAll();
        assertThat(sink.awaitEnd(patience())).isEqualTo(Signal.COMPLETED);
        return sink;
    }
}
