/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.endpoint.ProbeResult.Status;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EngineDialectTest {
    @ParameterizedTest
    @DisplayName("C15: what an engine says while it loads is no failure")
    @CsvSource({
        "health, 503, Loading model, WARMING",
        "health, 503, Model is loading, WARMING",
        "health, 503, Server is starting, WARMING",
        "health, 503, EngineDeadError, UNHEALTHY",
        "health, 503, '', UNHEALTHY",
        "health, 500, Loading model, UNHEALTHY",
        "v2/health/ready, 400, '', WARMING",
        "v2/health/ready, 500, '', UNHEALTHY",
        "health, 400, '', UNHEALTHY",
        "api/version, 500, '', UNHEALTHY",
        "v1/models, 503, Loading model, WARMING",
        "v1/models, 401, invalid api key, READY",
        "v1/models, 403, '', READY",
        "health, 429, '', READY",
        "v1/models, 429, slow down, READY"
    })
    void loadingIsToldFromFailing(String path, int status, String words, Status verdict) {
        assertThat(EngineDialect.verdict(path, status, words)).isEqualTo(verdict);
    }

    @ParameterizedTest
    @CsvSource({"health, 404, true", "health, 405, true", "health, 401, true", "health, 503, false"})
    void aPathThatIsNotThereIsPassed(String path, int status, boolean elsewhere) {
        assertThat(EngineDialect.isElsewhere(path, status)).isEqualTo(elsewhere);
    }

    @Test
    void whoDoesNotLetUsListModelsHasAnsweredAllTheSame() {
        assertThat(EngineDialect.isElsewhere("v1/models", 401)).isFalse();
        assertThat(EngineDialect.isElsewhere("v1/models", 404)).isTrue();
    }

    @Test
    void eachPathIsTriedOnceAndTheGenericOneLast() {
        assertThat(EngineDialect.probePaths())
                .startsWith("health")
                .endsWith(EngineDialect.GENERIC.probePath())
                .doesNotHaveDuplicates();
        for (EngineDialect dialect : EngineDialect.values()) {
            assertThat(EngineDialect.probePaths()).contains(dialect.probePath());
            assertThat(dialect.owner()).isLowerCase();
        }
    }
}
