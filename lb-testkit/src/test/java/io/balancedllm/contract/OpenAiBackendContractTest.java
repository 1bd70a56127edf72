/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.contract;

import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.testkit.LlmBackendContract;
import io.balancedllm.testkit.MockLlmServer;
import io.balancedllm.testkit.MockResponse;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;

/** The HTTP backend under the contract of all backends, over a real socket. */
class OpenAiBackendContractTest extends LlmBackendContract {
    private final MockLlmServer server =
            MockLlmServer.start().answerWith("Once", " upon", " a", " time", " there", " was", " a", " fox");
    private final MockLlmServer silent =
            MockLlmServer.start().dispatch(request -> MockResponse.sse().stallHead());

    @Override
    protected LlmBackend createBackend() {
        return OpenAiBackend.at(server.url());
    }

    @Override
    protected Optional<LlmBackend> createSilentBackend() {
        return Optional.of(OpenAiBackend.at(silent.url()));
    }

    @AfterEach
    void closeServers() {
        server.close();
        silent.close();
    }
}
