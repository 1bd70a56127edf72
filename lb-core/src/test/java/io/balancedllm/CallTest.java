/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;

class CallTest {
    @Test
    void anAnswerThatCannotBePutTogetherFailsTheCallInsteadOfHangingIt() {
        List<LlmException> failures = new ArrayList<>();
        Output broken = new Output() {
            @Override
            public int initialDemand() {
                return 1;
            }

            @Override
            public void chunk(CompletionChunk chunk) {}

            @Override
            public boolean discard() {
                return true;
            }

            @Override
            public String partialText() {
                return "";
            }

            @Override
            public Runnable completed(DecisionRecord decision) {
                throw new IllegalStateException("half of it is missing");
            }

            @Override
            public void failed(LlmException failure, DecisionRecord decision) {
                failures.add(failure);
            }
        };
        EngineRoom room = Rooms.room(Rooms.first(), Endpoint.of("a", new Completing()));

        Rooms.call(room, CompletionRequest.of("Once"), broken).start();

        assertThat(failures).singleElement().satisfies(failure -> {
            assertThat(failure.reason()).isEqualTo(Reason.INTERNAL_ERROR);
            assertThat(failure).hasMessageContaining("half of it is missing").hasMessageContaining("endpoint a");
        });
        assertThat(room.statistics().snapshot().failed()).isOne();
        assertThat(room.statistics().snapshot().running()).isZero();
        room.close();
    }

    /** Completes at once. */
    private static final class Completing implements LlmBackend {
        @Override
        public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
            sink.completed();
            return Generation.ENDED;
        }

        @Override
        public CompletionStage<ProbeResult> probe(Duration timeout) {
            return CompletableFuture.completedFuture(ProbeResult.READY);
        }

        @Override
        public void close() {}
    }
}
