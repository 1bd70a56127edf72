/* SPDX-License-Identifier: Apache-2.0 */
package consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.djl.Gpt2Backend;
import org.junit.jupiter.api.Test;

class ConsumerTest {
    @Test
    void theArtifactsAloneCompleteAPrompt() {
        try (BalancedLlm llm = BalancedLlm.builder()
                .endpoint("local", Gpt2Backend.builtIn())
                .build()) {
            Completion story = llm.complete(CompletionRequest.builder()
                    .prompt("Once upon a time")
                    .maxTokens(16)
                    .build());
            assertFalse(story.text().isBlank());
            assertEquals("local", story.decision().orElseThrow().endpoint());
        }
    }
}
