/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.testkit.FakeTicker;
import io.balancedllm.testkit.ScriptedBackend;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;

/** So many calls a second for each tenant: one view of the balancer for each, behind a bucket of its own. */
class RateLimitedTenantTest {
    /** Refuses what a tenant asks above its rate, before it becomes a call. */
    static final class RateLimited {
        private final BalancedLlm llm;
        private final Ticker ticker;
        private final int perSecond;
        private final Map<String, Bucket> buckets = new ConcurrentHashMap<>();

        RateLimited(BalancedLlm llm, Ticker ticker, int perSecond) {
            this.llm = llm;
            this.ticker = ticker;
            this.perSecond = perSecond;
        }

        Completion complete(String tenant, CompletionRequest request) {
            Duration wait = buckets.computeIfAbsent(tenant, name -> new Bucket(ticker.nanos()))
                    .take(ticker.nanos(), Duration.ofSeconds(1).toNanos() / perSecond);
            if (!wait.isZero()) {
                throw LlmException.builder(Reason.RATE_LIMITED, tenant + " may make " + perSecond + " calls a second")
                        .retryAfter(wait)
                        .build();
            }
            return llm.with(CallOptions.builder().tenant(tenant).build()).complete(request);
        }
    }

    /** One call each interval, none saved up. */
    private static final class Bucket {
        private long next;

        Bucket(long now) {
            next = now;
        }

        synchronized Duration take(long now, long interval) {
            if (now - next < 0) {
                return Duration.ofNanos(next - now);
            }
            next = now + interval;
            return Duration.ZERO;
        }
    }

    @Test
    void oneTenantsFloodIsItsOwnAffair() {
        FakeTicker ticker = new FakeTicker();
        ScriptedBackend backend = ScriptedBackend.answering("upon a time");
        CompletionRequest request = CompletionRequest.of("Once");
        try (BalancedLlm llm = BalancedLlm.builder().endpoint("a", backend).build()) {
            RateLimited limited = new RateLimited(llm, ticker, 2);

            limited.complete("alice", request);
            assertThatThrownBy(() -> limited.complete("alice", request))
                    .isInstanceOfSatisfying(LlmException.class, refusal -> {
                        assertThat(refusal.reason()).isEqualTo(Reason.RATE_LIMITED);
                        assertThat(refusal.retryAfter()).contains(Duration.ofMillis(500));
                    });
            limited.complete("bob", request);
            ticker.advance(Duration.ofMillis(500));
            limited.complete("alice", request);

            assertThat(llm.statistics().calls()).isEqualTo(3);
            assertThat(backend.takeAttempt().attempt().options().tenant()).contains("alice");
        }
    }
}
