/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.testkit.LlmBackendContract;
import org.junit.jupiter.api.Nested;

/** The contract of all backends, on the engine's own thread. */
class Gpt2BackendContractTest {
    private abstract static class Contract extends LlmBackendContract {
        @Override
        protected CompletionRequest request() {
            return super.request().newBuilder().temperature(0).build();
        }
    }

    @Nested
    class Plain extends Contract {
        @Override
        protected LlmBackend createBackend() {
            return Gpt2Backend.builtIn();
        }
    }

    @Nested
    class OneAtATime extends Contract {
        @Override
        protected LlmBackend createBackend() {
            return Gpt2Backend.builder().maxSequences(1).kvTokens(256).build();
        }
    }

    @Nested
    class PromptsElsewhere extends Contract {
        @Override
        protected LlmBackend createBackend() {
            return Gpt2Backend.builder().prefillOn("cpu").build();
        }
    }

    @Nested
    class InStages extends Contract {
        @Override
        protected LlmBackend createBackend() {
            return Gpt2Backend.builder().pipeline("cpu", "cpu").build();
        }
    }
}
