/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ResponseInfo;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

/** The contracts fail for those that break them: each test breaks one promise, and only that one. */
class ContractsCatchTest {
    @Test
    void chunksNobodyAskedFor() {
        Contract contract = contractOf(
                attempt -> {
                    attempt.accept();
                    attempt.sink().chunk(CompletionChunk.text(0, "pushed"));
                    answer(attempt);
                },
                Generation::cancel);
        assertCaught(contract::sendsNoChunkBeforeOneIsAskedFor);
    }

    @Test
    void aSecondEnd() {
        Contract contract = contractOf(
                attempt -> {
                    answer(attempt.accept());
                    attempt.sink().completed();
                },
                Generation::cancel);
        assertCaught(() -> {
            contract.answersWithAcceptedChunksAndOneEnd();
            contract.everyAttemptEndsAndKeepsToTheGrammar();
        });
    }

    @Test
    void aCancelThatIsNotObeyed() {
        Contract contract = contractOf(attempt -> answer(attempt.accept()), generation -> {});
        assertCaught(contract::cancelRightAfterTheStartEndsIt);
        assertCaught(contract::cancelBetweenChunksEndsIt);
        assertCaught(contract::cancelOfASilentEndpointEndsIt);
    }

    @Test
    void acceptedTwice() {
        Contract contract = contractOf(attempt -> answer(attempt.accept().accept()), Generation::cancel);
        assertCaught(() -> {
            contract.answersWithAcceptedChunksAndOneEnd();
            contract.everyAttemptEndsAndKeepsToTheGrammar();
        });
    }

    @Test
    void aStartThatThrows() {
        Contract contract = contractOf(
                attempt -> {
                    throw new IllegalArgumentException("thrown at the caller");
                },
                Generation::cancel);
        assertThatThrownBy(contract::startThrowsNothingWhateverIsAsked).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aProbeThatFailsInsteadOfAnswering() {
        Contract contract = new Contract() {
            @Override
            protected LlmBackend createBackend() {
                return ScriptedBackend.answering("a", "b", "c")
                        .health(CompletableFuture.<ProbeResult>failedFuture(new IllegalStateException("connect")));
            }
        };
        assertThatThrownBy(contract::probeFindsAReadyBackendIdleAndBusy).hasMessageContaining("connect");
    }

    @Test
    void aCloseThatLeavesAttemptsRunning() {
        Contract contract = new Contract() {
            @Override
            protected LlmBackend createBackend() {
                return new Delegating(ScriptedBackend.answering("a", "b", "c"), Generation::cancel) {
                    @Override
                    public void close() {}
                };
            }
        };
        assertCaught(contract::closeFailsWhatRuns);
    }

    @Test
    void aPolicyThatMakesEndpointsUp() {
        RoutingPolicyContract contract = contractOf((call, candidates) -> new FakeEndpointView("made up"));
        assertCaught(contract::picksACandidateFromPoolsOfEverySize);
    }

    @Test
    void aPolicyThatRemembersEndpointsThatLeft() {
        RoutingPolicyContract contract = contractOf(new RoutingPolicy() {
            private volatile Optional<EndpointView> first = Optional.empty();

            @Override
            public EndpointView pick(RoutingContext call, Candidates candidates) {
                if (first.isEmpty()) {
                    first = Optional.of(candidates.get(0));
                }
                return first.get();
            }
        });
        assertCaught(contract::followsAPoolWhoseEndpointsLeaveAndComeBackUnderTheSameName);
        assertCaught(contract::picksOnlyFromWhatIsLeftOfThePool);
    }

    @Test
    void aPolicyThatCountsModuloTheFilteredList() {
        AtomicInteger next = new AtomicInteger();
        RoutingPolicyContract contract = contractOf(
                (call, candidates) -> candidates.get(Math.floorMod(next.getAndIncrement(), candidates.size())));
        contract.sharesAnIdlePoolOutFairly();
        assertCaught(contract::starvesNobodyWhenEveryOtherPickSeesHalfThePool);
    }

    @Test
    void aPolicyThatBreaksTiesByPosition() {
        RoutingPolicyContract contract = contractOf((call, candidates) -> candidates.get(0));
        assertCaught(contract::sharesAnIdlePoolOutFairly);
    }

    @Test
    void aPolicyWithoutAName() {
        assertCaught(contractOf((call, candidates) -> candidates.get(0))::tellsItsNameAndParameters);
    }

    private static void assertCaught(ThrowingCallable test) {
        assertThatThrownBy(test).isInstanceOf(AssertionError.class);
    }

    private static void answer(ScriptedAttempt attempt) {
        attempt.chunk("a").chunk("b").chunk("c").complete();
    }

    private static RoutingPolicyContract contractOf(RoutingPolicy policy) {
        return new RoutingPolicyContract() {
            @Override
            protected RoutingPolicy createPolicy() {
                return policy;
            }

            @Override
            protected Fairness fairness() {
                return Fairness.EQUAL;
            }
        };
    }

    private static Contract contractOf(Consumer<ScriptedAttempt> script, Consumer<Generation> onCancel) {
        return new Contract() {
            @Override
            protected LlmBackend createBackend() {
                return new Delegating(new ScriptedBackend().onStart(script), onCancel);
            }

            @Override
            protected Optional<LlmBackend> createSilentBackend() {
                return Optional.of(new Delegating(new ScriptedBackend(), onCancel));
            }
        };
    }

    private abstract static class Contract extends LlmBackendContract {
        @Override
        protected Duration patience() {
            return Duration.ofMillis(
                    50); // what is expected to come comes at once; what is missing is missing after 50 ms
        }
    }

    /** A backend that treats cancels in its own way. */
    private static class Delegating implements LlmBackend {
        private final LlmBackend delegate;
        private final Consumer<Generation> onCancel;

        Delegating(LlmBackend delegate, Consumer<Generation> onCancel) {
            this.delegate = delegate;
            this.onCancel = onCancel;
        }

        @Override
        public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
            Generation generation = delegate.start(attempt, sink);
            return new Generation() {
                @Override
                public void request(int chunks) {
                    generation.request(chunks);
                }

                @Override
                public void cancel() {
                    onCancel.accept(generation);
                }
            };
        }

        @Override
        public CompletionStage<ProbeResult> probe(Duration timeout) {
            return delegate.probe(timeout);
        }

        @Override
        public void close() {
            delegate.close();
        }
    }

    @Test
    void recordingSinkKeepsHeadFailureAndOrder() {
        ScriptedBackend backend = new ScriptedBackend();
        RecordingSink sink = RecordingSink.start(backend, CompletionRequest.of("Once"));
        backend.takeAttempt()
                .accept(new ResponseInfo(200, Map.of("server", "mock")))
                .fail(LlmException.Reason.OVERLOADED);
        assertThat(sink.info().map(ResponseInfo::status)).contains(200);
        assertThat(sink.failure().map(LlmException::reason)).contains(LlmException.Reason.OVERLOADED);
        assertThatThrownBy(() -> sink.awaitChunks(1, Duration.ofSeconds(1))).isInstanceOf(AssertionError.class);
    }
}
