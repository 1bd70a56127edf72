/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.compare;

import static io.balancedllm.examples.simulate.ResultFormat.format;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Usage;
import io.balancedllm.djl.Gpt2Backend;
import io.balancedllm.examples.console.Table;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.prefix.PromptEncoder;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.time.Ticker;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;

/**
 * Chats with GPT-2 in this process: no simulation, real prompts and real caches. Several sessions take their turns round by
 * round, in an order drawn anew for each round; a turn's prompt is all that was said before and one sentence more. What is
 * possible to reuse is what one replica reuses that serves all of them and forgets nothing.
 */
final class LiveChats {
    private static final int REPLICAS = 3;
    private static final int SESSIONS = 9;
    private static final int TURNS = 5;
    private static final int ANSWER_TOKENS = 12;
    /** Keys and values of a replica: for a third of the sessions and what is being computed, not for all of them. */
    private static final int REPLICA_KV_TOKENS = 1_024;

    private static final int ALL_KV_TOKENS = 16_384;
    /** As large as the engine's own. */
    private static final int TOKENS_PER_BLOCK = 16;

    private static final double NANOS_PER_SECOND = 1e9;

    private static final List<String> NAMES = List.of("Lily", "Tom", "Anna", "Ben", "Mia", "Sam", "Sue", "Max", "Tim");
    private static final List<String> OPENINGS = List.of(
            " went to the park with a big red ball and met a little dog.",
            " found a small boat by the river and wanted to sail to the sea.",
            " had a blue hat and loved to wear it in the garden every day.");
    private static final List<String> TURN_SENTENCES =
            List.of(" Then it started to rain.", " Mom came and smiled.", " A bird sang a song.", " They were happy.");

    private final Ticker ticker = Ticker.system();
    private final long seed;
    private final int repetitions;

    /**
     * Chats.
     *
     * @param seed of the order of turns
     * @param repetitions how often each policy chats; one time more before, until the JIT compiler has settled
     */
    LiveChats(long seed, int repetitions) {
        this.seed = seed;
        this.repetitions = repetitions;
    }

    /** What one policy made of the chats. */
    static final class Tally {
        long promptTokens;
        long reusedTokens;
        double seconds;
        int turns;
        double turnSeconds;

        void add(Completion completion, double secondsOfTurn) {
            promptTokens += completion.usage().map(Usage::promptTokens).orElse(0);
            reusedTokens += completion
                    .usage()
                    .map(usage -> usage.cachedTokens().orElse(0))
                    .orElse(0);
            turns++;
            turnSeconds += secondsOfTurn;
        }
    }

    /** {@return tallies by policy; the first, under an empty name, of the replica that serves all} */
    Map<String, Tally> run(List<String> policies) {
        Map<String, Tally> tallies = new LinkedHashMap<>();
        chat("roundRobin", REPLICAS, REPLICA_KV_TOKENS, new Tally(), seed);
        for (int repetition = 0; repetition < repetitions; repetition++) {
            long order = seed + repetition;
            chat("roundRobin", 1, ALL_KV_TOKENS, tallies.computeIfAbsent("", n -> new Tally()), order);
            for (String policy : policies) {
                chat(policy, REPLICAS, REPLICA_KV_TOKENS, tallies.computeIfAbsent(policy, n -> new Tally()), order);
            }
        }
        return tallies;
    }

    private void chat(String policy, int replicas, int kvTokens, Tally tally, long order) {
        BalancedLlm.Builder builder = BalancedLlm.builder()
                .healthCheck(HealthCheck.off())
                .promptEncoder(PromptEncoder.bytes(TOKENS_PER_BLOCK))
                .routing(RoutingPolicies.named(policy));
        for (int i = 1; i <= replicas; i++) {
            builder.endpoint(
                    "replica-" + i, Gpt2Backend.builder().kvTokens(kvTokens).build());
        }
        try (BalancedLlm llm = builder.build()) {
            List<StringBuilder> said = new ArrayList<>();
            for (int session = 0; session < SESSIONS; session++) {
                said.add(new StringBuilder("Once upon a time, ")
                        .append(NAMES.get(session))
                        .append(OPENINGS.get(session % OPENINGS.size())));
            }
            Random shuffle = new Random(order);
            long start = ticker.nanos();
            for (int turn = 0; turn < TURNS; turn++) {
                round(llm, said, turn, shuffle, tally);
            }
            tally.seconds += (ticker.nanos() - start) / NANOS_PER_SECOND;
        }
    }

    /** One turn of every session; all of them wait for their answers at the same time. */
    private void round(BalancedLlm llm, List<StringBuilder> said, int turn, Random shuffle, Tally tally) {
        List<Integer> order = new ArrayList<>();
        for (int session = 0; session < said.size(); session++) {
            order.add(session);
        }
        Collections.shuffle(order, shuffle);
        Map<Integer, CompletableFuture<Timed>> answers = new LinkedHashMap<>();
        for (int session : order) {
            if (turn > 0) {
                said.get(session).append(TURN_SENTENCES.get((session + turn) % TURN_SENTENCES.size()));
            }
            CompletionRequest request = CompletionRequest.builder()
                    .prompt(said.get(session).toString())
                    .maxTokens(ANSWER_TOKENS)
                    .temperature(0)
                    .build();
            CallOptions options =
                    CallOptions.builder().session("session-" + session).build();
            long start = ticker.nanos();
            answers.put(
                    session,
                    llm.with(options)
                            .completeAsync(request)
                            .thenApply(answer -> new Timed(answer, (ticker.nanos() - start) / NANOS_PER_SECOND)));
        }
        answers.forEach((session, answer) -> {
            Timed timed = answer.join();
            said.get(session).append(timed.completion().text());
            tally.add(timed.completion(), timed.seconds());
        });
    }

    private record Timed(Completion completion, double seconds) {}

    static void print(Map<String, Tally> tallies, PrintWriter out) {
        out.println(format(
                "%d sessions of %d turns with GPT-2 in this process, %d replicas of %d tokens of KV memory",
                SESSIONS, TURNS, REPLICAS, REPLICA_KV_TOKENS));
        Table table = new Table("policy", "prompt tokens", "reused", "of possible", "turn ms", "all s");
        double possible = share(tallies.getOrDefault("", new Tally()));
        tallies.forEach((policy, tally) -> table.row(
                policy.isEmpty() ? "one replica for all" : policy,
                String.valueOf(tally.promptTokens),
                format("%.1f%%", 100 * share(tally)),
                format("%.1f%%", 100 * share(tally) / possible),
                format("%.1f", 1e3 * tally.turnSeconds / tally.turns),
                format("%.3f", tally.seconds)));
        table.print(out);
    }

    static double share(Tally tally) {
        return (double) tally.reusedTokens / Math.max(1, tally.promptTokens);
    }
}
