/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.story;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.DecisionRecord.Candidate;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Usage;
import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.console.Table;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Who wrote a story, why, and how fast. */
record StoryReport(String prompt, Completion story, DecisionRecord decision) {
    private static final double NANOS_PER_MILLI = 1e6;
    private static final double NANOS_PER_SECOND = 1e9;

    static StoryReport of(String prompt, Completion story) {
        return new StoryReport(
                prompt,
                story,
                story.decision()
                        .orElseThrow(() -> new IllegalStateException("the balancer did not say who served the call")));
    }

    void print(PrintWriter out, boolean explain) {
        out.println();
        if (explain) {
            out.println();
            candidates().print(out);
            out.println();
            attempts().print(out);
        }
        out.println();
        out.println(summary());
    }

    String summary() {
        StringBuilder line = new StringBuilder("served by ").append(servedBy());
        decision.timeToFirstToken()
                .ifPresent(ttft -> line.append(", first token after ")
                        .append(number(millis(ttft), 0))
                        .append(" ms"));
        story.usage()
                .ifPresent(usage ->
                        line.append(", ").append(usage.completionTokens()).append(" tokens"));
        tokensPerSecond()
                .ifPresent(rate -> line.append(" at ").append(number(rate, 0)).append(" tokens/s"));
        return line.toString();
    }

    private String servedBy() {
        return decision.cache() instanceof CacheOutcome.Exact exact
                ? "the cache (exact, stored " + number(millis(exact.age()), 0) + " ms ago)"
                : decision.endpoint();
    }

    private String cache() {
        return decision.cache().getClass().getSimpleName().toLowerCase(Locale.ROOT);
    }

    String json(boolean explain) {
        JsonLine line = new JsonLine()
                .put("prompt", prompt)
                .put("text", story.text())
                .put("finish_reason", finishReason())
                .put("model", story.model().orElse(null))
                .put("served_by", decision.endpoint())
                .put("cache", cache())
                .put("policy", decision.policy())
                .put("prompt_tokens", story.usage().map(Usage::promptTokens).orElse(null))
                .put(
                        "completion_tokens",
                        story.usage().map(Usage::completionTokens).orElse(null))
                .put("waited_ms", millis(decision.waited()))
                .put(
                        "ttft_ms",
                        decision.timeToFirstToken().map(StoryReport::millis).orElse(null))
                .put("duration_ms", millis(decision.duration()))
                .put(
                        "tokens_per_second",
                        tokensPerSecond().stream().boxed().findAny().orElse(null))
                .put(
                        "attempts",
                        decision.attempts().stream().map(StoryReport::json).toList());
        if (explain) {
            line.put(
                    "candidates",
                    decision.candidates().stream().map(StoryReport::json).toList());
        }
        return line.toString();
    }

    /** The rate of the tokens after the first: what came before it is the prompt's time, not the writing's. */
    private OptionalDouble tokensPerSecond() {
        if (decision.cache().reused()) {
            return OptionalDouble.empty(); // nothing was written
        }
        int tokens = story.usage().map(Usage::completionTokens).orElse(0);
        Duration first = decision.timeToFirstTokenOrNull();
        if (tokens < 2 || first == null) {
            return OptionalDouble.empty();
        }
        double seconds = decision.duration().minus(first).toNanos() / NANOS_PER_SECOND;
        return seconds > 0 ? OptionalDouble.of((tokens - 1) / seconds) : OptionalDouble.empty();
    }

    private @Nullable String finishReason() {
        return story.choices().isEmpty()
                ? null
                : story.choices().get(0).finishReason().map(FinishReason::value).orElse(null);
    }

    private Table candidates() {
        Set<String> terms = new LinkedHashSet<>();
        decision.candidates()
                .forEach(candidate -> terms.addAll(candidate.terms().keySet()));
        List<String> head = new ArrayList<>(List.of("candidate", "in flight"));
        head.addAll(terms);
        head.add("picked by " + decision.policy());
        Table table = new Table(head);
        for (Candidate candidate : decision.candidates()) {
            List<String> row = new ArrayList<>(List.of(candidate.endpoint(), Integer.toString(candidate.inFlight())));
            terms.forEach(term -> row.add(term(candidate, term)));
            row.add(candidate.picked() ? "yes" : "");
            table.row(row);
        }
        return table;
    }

    private static String term(Candidate candidate, String term) {
        Double value = candidate.terms().get(term);
        return value == null ? "-" : number(value, 3);
    }

    private Table attempts() {
        Table table = new Table("attempt", "endpoint", "outcome", "ms");
        for (AttemptSummary attempt : decision.attempts()) {
            table.row(
                    Integer.toString(attempt.number()),
                    attempt.endpoint(),
                    attempt.failure()
                            .map(Enum::name)
                            .orElse(attempt.outcome().name())
                            .toLowerCase(Locale.ROOT),
                    number(millis(attempt.duration()), 1));
        }
        return table;
    }

    private static Map<String, @Nullable Object> json(AttemptSummary attempt) {
        return new JsonLine()
                .put("number", attempt.number())
                .put("endpoint", attempt.endpoint())
                .put("outcome", attempt.outcome().name().toLowerCase(Locale.ROOT))
                .put("failure", attempt.failure().map(Enum::name).orElse(null))
                .put("duration_ms", millis(attempt.duration()))
                .fields();
    }

    private static Map<String, @Nullable Object> json(Candidate candidate) {
        return new JsonLine()
                .put("endpoint", candidate.endpoint())
                .put("in_flight", candidate.inFlight())
                .put("picked", candidate.picked())
                .put("terms", candidate.terms())
                .fields();
    }

    private static double millis(Duration duration) {
        return duration.toNanos() / NANOS_PER_MILLI;
    }

    private static String number(double value, int decimals) {
        return String.format(Locale.ROOT, "%." + decimals + "f", value);
    }
}
