/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.story;

import io.balancedllm.BalancedLlm;
import io.balancedllm.cache.CacheOptions;
import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.examples.fleet.FleetOptions;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * Streams a story to the terminal as it is written, then says who wrote it and how fast. Interrupting the program
 * cancels the generation.
 */
@Command(
        name = "story",
        description = "Continues a prompt with a story, streamed from a balanced fleet.",
        mixinStandardHelpOptions = true)
public final class StoryCommand implements Callable<Integer> {
    private static final int DEFAULT_MAX_TOKENS = 240;
    /** Below 1, because small models lose the thread when they draw as they say. */
    private static final double DEFAULT_TEMPERATURE = 0.7;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Parameters(
            arity = "0..1",
            paramLabel = "PROMPT",
            defaultValue = "Once upon a time",
            description = "How the story begins. Default: ${DEFAULT-VALUE}.")
    private String prompt = "";

    @Mixin
    private final FleetOptions fleet = new FleetOptions();

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            description = "The most tokens to write. Default: " + DEFAULT_MAX_TOKENS + ".")
    private int maxTokens = DEFAULT_MAX_TOKENS;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            description = "0 always takes the most probable token, 1 draws as the model says. Default: "
                    + DEFAULT_TEMPERATURE + ".")
    private double temperature = DEFAULT_TEMPERATURE;

    @Option(names = "--seed", paramLabel = "N", description = "Makes the story repeatable. Default: none.")
    private @Nullable Long seed;

    @Option(
            names = "--cache",
            description = "Asks twice, with a cache before the fleet, and shows what the second time costs.")
    private boolean cache;

    @Option(names = "--explain", description = "Tells why the request went where it went.")
    private boolean explain;

    @Option(names = "--json", description = "Prints one JSON object and nothing else.")
    private boolean json;

    @Override
    public Integer call() {
        CompletionRequest request = request();
        PrintWriter out = spec.commandLine().getOut();
        CallOptions options = CallOptions.builder()
                .explain(explain)
                .cache(CacheControl.builder().cacheAnyTemperature(true).build())
                .build();
        try (BalancedLlm fleetLlm = fleet.open(cache ? CacheOptions.DEFAULT : null)) {
            BalancedLlm llm = fleetLlm.with(options);
            tell(llm, request, out);
            if (cache) {
                if (!json) {
                    out.println();
                }
                tell(llm, request, out);
            }
        }
        return ExitCode.OK;
    }

    private void tell(BalancedLlm llm, CompletionRequest request, PrintWriter out) {
        try (CompletionStream stream = llm.stream(request)) {
            StoryReport report = StoryReport.of(prompt, read(stream, out));
            if (json) {
                out.println(report.json(explain));
            } else {
                report.print(out, explain);
            }
        }
    }

    private Completion read(CompletionStream stream, PrintWriter out) {
        Interrupt interrupt = Interrupt.closing(stream);
        try {
            return json ? stream.completion() : print(stream, out);
        } finally {
            interrupt.disarm();
        }
    }

    private Completion print(CompletionStream stream, PrintWriter out) {
        out.print(prompt);
        out.flush();
        try {
            for (CompletionChunk chunk : stream) {
                out.print(chunk.text());
                out.flush();
            }
            return stream.completion();
        } catch (LlmException e) {
            out.println();
            throw e;
        }
    }

    private CompletionRequest request() {
        try {
            CompletionRequest.Builder request = CompletionRequest.builder()
                    .prompt(prompt)
                    .maxTokens(maxTokens)
                    .temperature(temperature);
            if (seed != null) {
                request.seed(seed);
            }
            return request.build();
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
        }
    }
}
