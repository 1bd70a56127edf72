/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Prompt;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.KvListener;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.prefix.HolderState.Level;
import io.balancedllm.prefix.PrefixHolder;
import io.balancedllm.prefix.PromptBlocks;
import io.balancedllm.prefix.PromptEncoder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;

/** What an engine tells of its prefix cache, on its way into the index. */
class KvFeedTest {
    private static final int BLOCK = 4;

    private final Teller teller = new Teller();
    private PoolLoad pool = pool(PromptBlocks::ofTokens);
    private EndpointLoad load = new EndpointLoad("e", pool, OptionalLong.empty(), 0).teller(teller);

    @Test
    void theIndexHoldsWhatTheEngineTellsAndNotWhatWasSentThere() {
        PromptBlocks prompt = dispatch(1, 2, 3, 4, 5, 6, 7, 8, 9);
        KvListener listener = teller.listeners.get(0);
        assertThat(holder().match(prompt)).as("nothing told yet: own history").isEqualTo(2);
        listener.cleared();
        assertThat(holder().state().level()).isEqualTo(Level.EXACT);
        assertThat(holder().match(prompt)).isZero();
        dispatch(1, 2, 3, 4, 5, 6, 7, 8, 9);
        assertThat(holder().match(prompt)).isZero();
        listener.stored(new long[] {prompt.hash(0), prompt.hash(1)}, 0, BLOCK);
        assertThat(holder().match(prompt)).isEqualTo(2);
        listener.removed(new long[] {prompt.hash(1)});
        assertThat(holder().match(prompt)).isEqualTo(1);
        listener.cleared();
        assertThat(holder().match(prompt)).isZero();
        assertThat(teller.listeners).hasSize(1);
    }

    @Test
    void blocksOfAnotherSizeDegradeTheEndpointUntilItBeginsAnew() {
        PromptBlocks prompt = dispatch(1, 2, 3, 4, 5, 6, 7, 8, 9);
        KvListener listener = teller.listeners.get(0);
        listener.cleared();
        listener.stored(new long[] {prompt.hash(0)}, 0, 2 * BLOCK);
        assertThat(holder().state().level()).isEqualTo(Level.DEGRADED);
        assertThat(holder().state().reason()).contains("8 tokens").contains("4");
        listener.cleared();
        assertThat(holder().state().level()).isEqualTo(Level.EXACT);
    }

    @Test
    void nobodyListensWherePromptsAreNotHashedAsEnginesDo() {
        pool = pool((ids, size, salt) -> PromptBlocks.exact(new long[] {1, 2}, size, ids.length));
        load = new EndpointLoad("e", pool, OptionalLong.empty(), 0).teller(teller);
        dispatch(1, 2, 3, 4, 5, 6, 7, 8, 9);
        assertThat(teller.listeners).isEmpty();
        assertThat(holder().state().level()).isEqualTo(Level.APPROXIMATE);
    }

    @Test
    void anEndpointThatLeavesIsListenedToNoLonger() {
        PromptBlocks prompt = dispatch(1, 2, 3, 4, 5, 6, 7, 8, 9);
        KvListener listener = teller.listeners.get(0);
        PrefixHolder left = holder();
        load.leave();
        assertThat(teller.ended).isEqualTo(1);
        listener.cleared();
        listener.stored(new long[] {prompt.hash(0)}, 0, BLOCK);
        assertThat(left.match(prompt)).isZero();
    }

    @Test
    void aBackendThatFailsToTellIsFollowedByHistory() {
        teller.failing = true;
        PromptBlocks prompt = dispatch(1, 2, 3, 4, 5, 6, 7, 8, 9);
        assertThat(holder().match(prompt)).isEqualTo(2);
        assertThat(holder().state().level()).isEqualTo(Level.APPROXIMATE);
    }

    private PrefixHolder holder() {
        return Objects.requireNonNull(load.holder());
    }

    private PromptBlocks dispatch(int... ids) {
        pool.keep(PoolLoad.Kept.PREFIXES);
        CompletionRequest request =
                CompletionRequest.builder().prompt(new Prompt.Tokens(ids)).build();
        CallPrompt prompt = new CallPrompt(pool, new Work.OfCompletion(request), CallOptions.DEFAULT);
        Objects.requireNonNull(load.dispatched(prompt, 0));
        return prompt.blocks();
    }

    private static PoolLoad pool(Hashing hashing) {
        PromptEncoder encoder = (request, options) ->
                hashing.blocks(((Prompt.Tokens) request.prompt()).sequences().get(0), BLOCK, "");
        return new PoolLoad(encoder);
    }

    private interface Hashing {
        PromptBlocks blocks(int[] ids, int tokensPerBlock, String salt);
    }

    private static final class Teller implements LlmBackend {
        final List<KvListener> listeners = new ArrayList<>();
        int ended;
        boolean failing;

        @Override
        public Optional<Runnable> tellKvEvents(KvListener listener) {
            if (failing) {
                throw new IllegalStateException("for the test");
            }
            listeners.add(listener);
            return Optional.of(() -> ended++);
        }

        @Override
        public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
            return Generation.ENDED;
        }

        @Override
        public CompletionStage<ProbeResult> probe(Duration timeout) {
            return CompletableFuture.completedStage(ProbeResult.READY);
        }

        @Override
        public void close() {}
    }
}
