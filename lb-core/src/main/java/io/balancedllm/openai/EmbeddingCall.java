/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Prompt;
import io.balancedllm.endpoint.Attempt;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import okhttp3.Response;

/** One embedding request. Cancelling its future closes the connection. */
final class EmbeddingCall extends HttpTask {
    private final Attempt<EmbeddingRequest> attempt;
    private final CompletableFuture<Embeddings> result = new CompletableFuture<>();

    EmbeddingCall(HttpTransport transport, Attempt<EmbeddingRequest> attempt) {
        super(transport, "v1/embeddings");
        this.attempt = attempt;
        CompletableFuture<Embeddings> unused = result.whenComplete((embeddings, failure) -> {
            if (failure != null) {
                stop();
            }
        });
    }

    CompletableFuture<Embeddings> result() {
        return result;
    }

    @Override
    Exchange exchange() {
        return transport().post(path(), attempt, false, OpenAiJson.writeEmbeddingRequest(attempt.request()));
    }

    @Override
    void read(Response response) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        if (!HttpTransport.copy(response.body().byteStream(), bytes, OpenAiJson.MAX_BODY_BYTES)) {
            throw OpenAiJson.protocol("the answer has more than " + OpenAiJson.MAX_BODY_BYTES + " bytes");
        }
        Embeddings embeddings = OpenAiJson.readEmbeddings(bytes.toByteArray());
        int inputs = inputs(attempt.request().input());
        if (embeddings.vectors().size() != inputs) {
            throw OpenAiJson.protocol("the answer has " + embeddings.vectors().size() + " vectors for " + inputs
                    + (inputs == 1 ? " input" : " inputs"));
        }
        result.complete(embeddings);
    }

    private static int inputs(Prompt input) {
        if (input instanceof Prompt.Texts texts) {
            return texts.texts().size();
        }
        return input instanceof Prompt.Tokens tokens ? tokens.sequences().size() : 1;
    }

    @Override
    void fail(LlmException cause) {
        result.completeExceptionally(cause);
    }

    @Override
    boolean hasEnded() {
        return result.isDone();
    }
}
