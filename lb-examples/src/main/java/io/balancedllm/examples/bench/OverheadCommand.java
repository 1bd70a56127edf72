/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.console.Table;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * What a call through the balancer costs beyond the same call made by hand: a plain OkHttp {@code enqueue} whose
 * callback puts every event of the stream into a queue that the caller empties, to the same server in this process, the
 * two taking turns call by call. The plain call neither parses the events nor knows how to fail over.
 */
@Command(
        name = "overhead",
        description = "Whole calls through the balancer against plain OkHttp, taking turns against one local server.",
        mixinStandardHelpOptions = true)
public final class OverheadCommand implements Callable<Integer> {
    private static final double NANOS_PER_MICRO = 1e3;

    private final Ticker ticker = Ticker.system();

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(names = "--calls", paramLabel = "N", description = "Measured calls of each kind. Default: 5000.")
    private int calls = 5_000;

    @Option(
            names = "--warm-up",
            paramLabel = "N",
            description = "Calls of each kind before them, until the JIT compiler has settled. Default: 20000.")
    private int warmUp = 20_000;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            split = ",",
            description = "Tokens of an answer, one event each; several with commas between them. Default: 1,64.")
    private List<Integer> tokens = List.of(1, 64);

    @Option(names = "--json", description = "Prints one JSON object for each row and nothing else.")
    private boolean json;

    @Override
    public Integer call() {
        if (calls < 1 || warmUp < 0 || tokens.stream().anyMatch(count -> count < 1)) {
            throw new ParameterException(
                    spec.commandLine(), "--calls and --tokens must be at least 1, --warm-up at least 0");
        }
        List<Row> rows = new ArrayList<>();
        for (int count : tokens) {
            rows.addAll(measure(count));
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            rows.forEach(row -> out.println(row.json()));
        } else {
            Table table = new Table("call", "tokens", "calls", "plain p50 us", "balanced p50 us", "added us", "ratio");
            rows.forEach(row -> table.row(row.cells()));
            table.print(out);
        }
        return ExitCode.OK;
    }

    private List<Row> measure(int count) {
        try (AnswerServer server = AnswerServer.start(count);
                PlainClient plain = new PlainClient(server.url());
                BalancedLlm llm = BalancedLlm.builder()
                        .endpoint("server", OpenAiBackend.at(server.url()))
                        .build()) {
            CompletionRequest request = CompletionRequest.builder(AnswerServer.MODEL)
                    .prompt("Once upon a time")
                    .maxTokens(count)
                    .build();
            return List.of(
                    compare("stream", count, plain, () -> stream(llm, request)),
                    compare("complete", count, plain, () -> complete(llm, request)));
        } catch (IOException e) {
            throw new Failure("the plain client failed: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure("interrupted", e);
        }
    }

    private Row compare(String name, int count, PlainClient plain, Runnable balanced)
            throws IOException, InterruptedException {
        long[] plainNanos = new long[calls];
        long[] balancedNanos = new long[calls];
        for (int call = -warmUp; call < calls; call++) {
            long start = ticker.nanos();
            plain.complete(count);
            long middle = ticker.nanos();
            balanced.run();
            long end = ticker.nanos();
            if (call >= 0) {
                plainNanos[call] = middle - start;
                balancedNanos[call] = end - middle;
            }
        }
        return new Row(name, count, calls, median(plainNanos), median(balancedNanos));
    }

    private static void stream(BalancedLlm llm, CompletionRequest request) {
        StringBuilder text = new StringBuilder();
        try (CompletionStream stream = llm.stream(request)) {
            for (CompletionChunk chunk : stream) {
                text.append(chunk.text());
            }
        }
        requireAnswer(text.toString());
    }

    private static void complete(BalancedLlm llm, CompletionRequest request) {
        requireAnswer(llm.complete(request).text());
    }

    private static void requireAnswer(String text) {
        if (text.isEmpty()) {
            throw new Failure("the server answered nothing", null);
        }
    }

    private static double median(long[] nanos) {
        Arrays.sort(nanos);
        return nanos[nanos.length / 2] / NANOS_PER_MICRO;
    }

    /** One comparison. */
    private record Row(String call, int tokens, int calls, double plainMicros, double balancedMicros) {
        String json() {
            return new JsonLine()
                    .put("benchmark", "overhead")
                    .put("call", call)
                    .put("tokens", tokens)
                    .put("calls", calls)
                    .put("plain_p50_us", plainMicros)
                    .put("balanced_p50_us", balancedMicros)
                    .put("added_us", balancedMicros - plainMicros)
                    .put("ratio", balancedMicros / plainMicros)
                    .toString();
        }

        String[] cells() {
            return new String[] {
                call,
                Integer.toString(tokens),
                Integer.toString(calls),
                number(plainMicros),
                number(balancedMicros),
                number(balancedMicros - plainMicros),
                String.format(Locale.ROOT, "%.2f", balancedMicros / plainMicros)
            };
        }

        private static String number(double micros) {
            return String.format(Locale.ROOT, "%.1f", micros);
        }
    }
}
