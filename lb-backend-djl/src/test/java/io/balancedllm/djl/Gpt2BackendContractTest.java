/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.testkit.LlmBackendContract;
import org.junit.jupiter.api.Nested;

/** The contract of all backends, on the engine's own thread. */
class Gpt2BackendContractTest {
    @Nested
    class Plain extends LlmBackendContract {
        @Override
        protected LlmBackend createBackend() {
            return Gpt2Backend.builtIn();
        }
    }

    @Nested
    class OneAtATime extends LlmBackendContract {
        @Override
        protected LlmBackend createBackend() {
            return Gpt2Backend.builder().maxSequences(1).kvTokens(256).build();
        }
    }

    @Nested
    class PromptsElsewhere extends LlmBackendContract {
        @Override
        protected LlmBackend createBackend() {
            return Gpt2Backend.builder().prefillOn("cpu").build();
        }
    }

    @Nested
    class InStages extends LlmBackendContract {
        @Override
        protected LlmBackend createBackend() {
            return Gpt2Backend.builder().pipeline("cpu", "cpu").build();
        }
    }
}
