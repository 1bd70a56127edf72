/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.BalancedLlm;
import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Prompt;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Embeddings of remote endpoints. Blocks the thread that asks, as an embedder may. */
final class RemoteEmbedder implements Embedder {
    private final BalancedLlm llm;
    private final String model;
    private final int dimension;
    private final int maximumChars;
    private final double threshold;

    RemoteEmbedder(BalancedLlm llm, String model, int dimension, int maximumChars, double threshold) {
        if (dimension < 1 || maximumChars < 1 || !(threshold > 0 && threshold <= 1)) {
            throw new IllegalArgumentException(
                    "dimension and maximumChars must be at least 1 and threshold above 0 and at" + " most 1, got "
                            + dimension + ", " + maximumChars + ", " + threshold);
        }
        this.llm = llm;
        this.model = model;
        this.dimension = dimension;
        this.maximumChars = maximumChars;
        this.threshold = threshold;
    }

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        EmbeddingRequest request =
                EmbeddingRequest.builder(new Prompt.Texts(texts)).model(model).build();
        try {
            return CompletableFuture.completedStage(embeddings(texts, llm.embed(request)));
        } catch (LlmException | IllegalArgumentException | IllegalStateException e) {
            return CompletableFuture.failedStage(e);
        }
    }

    private List<Embedding> embeddings(List<String> texts, Embeddings answer) {
        if (answer.vectors().size() != texts.size()) {
            throw new IllegalStateException("asked for " + texts.size() + " embeddings, got "
                    + answer.vectors().size());
        }
        List<Embedding> embeddings = new ArrayList<>(texts.size());
        for (int i = 0; i < texts.size(); i++) {
            embeddings.add(Embedding.of(answer.vectors().get(i), texts.get(i).length() > maximumChars));
        }
        return embeddings;
    }

    @Override
    public int dimension() {
        return dimension;
    }

    @Override
    public String id() {
        return model;
    }

    @Override
    public double threshold() {
        return threshold;
    }
}
