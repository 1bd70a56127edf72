/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.djl.KernelBenchmark;
import io.balancedllm.djl.KernelChoice;
import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.console.Table;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** How fast the in-process GPT-2 prefills and decodes. */
@Command(
        name = "gpt2",
        description = "Prompts and decoding of GPT-2 in this process, kernels in turn, beside the speed of reading its"
                + " weights once.",
        mixinStandardHelpOptions = true)
public final class Gpt2Command implements Callable<Integer> {
    private static final Path PROCESSORS = Path.of("/proc/cpuinfo");
    private static final String WITHOUT_LLAMA =
            "llama.cpp is measured too when built in: mvn -Pllama -pl lb-examples -am package -DskipTests";

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = "--shape",
            paramLabel = "SHAPE",
            split = ",",
            description =
                    "tiny is the built-in story model, 124m GPT-2's shape with drawn weights; or a model directory."
                            + " Default: tiny,124m.")
    private List<String> shapes = List.of("tiny", "124m");

    @Option(
            names = "--batch",
            paramLabel = "N",
            split = ",",
            description = "Sequences at a time, with commas between them. Default: 1,2,4,8.")
    private int[] batches = {1, 2, 4, 8};

    @Option(names = "--threads", paramLabel = "N", description = "Threads of PyTorch within one operation. Default: 1.")
    private int threads = 1;

    @Option(
            names = "--kernel",
            paramLabel = "KERNEL",
            split = ",",
            description = "${COMPLETION-CANDIDATES}; several with commas between them. Default: AUTOMATIC.")
    private List<KernelChoice> kernels = List.of(KernelChoice.AUTOMATIC);

    @Option(names = "--json", description = "Prints one JSON object for each row and nothing else.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        List<KernelBenchmark.Row> rows = new ArrayList<>();
        for (String shape : shapes) {
            rows.addAll(measure(new KernelBenchmark(shape, threads)));
        }
        String processor = processor();
        if (json) {
            rows.forEach(row -> spec.commandLine().getOut().println(json(row, processor)));
        } else {
            print(rows, processor);
            if (!LlamaCpp.isPresent()) {
                spec.commandLine().getOut().println(WITHOUT_LLAMA);
            }
        }
        return ExitCode.OK;
    }

    private List<KernelBenchmark.Row> measure(KernelBenchmark benchmark) throws IOException {
        if (!LlamaCpp.isPresent()) {
            return benchmark.run(kernels, List.of(), batches);
        }
        int slots = Arrays.stream(batches).max().orElse(1);
        try (LlamaCpp llama = new LlamaCpp(benchmark, threads, slots)) {
            return benchmark.run(kernels, List.of(llama), batches);
        }
    }

    private void print(List<KernelBenchmark.Row> rows, String processor) {
        Table table = new Table(
                "shape",
                "kernel",
                "threads",
                "batch",
                "prefill_tok_s",
                "decode_tok_s",
                "bandwidth_gb_s",
                "roofline_share",
                "load_s",
                "cpu");
        rows.forEach(row -> table.row(
                row.shape(),
                row.kernel(),
                String.valueOf(row.threads()),
                String.valueOf(row.batch()),
                number("%.0f", row.prefillTokensPerSecond()),
                number("%.1f", row.decodeTokensPerSecond()),
                number("%.1f", row.bandwidth()),
                number("%.2f", row.rooflineShare()),
                number("%.2f", row.loadSeconds()),
                processor));
        table.print(spec.commandLine().getOut());
    }

    private static String json(KernelBenchmark.Row row, String processor) {
        return new JsonLine()
                .put("benchmark", "gpt2")
                .put("shape", row.shape())
                .put("kernel", row.kernel())
                .put("threads", row.threads())
                .put("batch", row.batch())
                .put("prefill_tok_s", row.prefillTokensPerSecond())
                .put("decode_tok_s", row.decodeTokensPerSecond())
                .put("bandwidth_gb_s", row.bandwidth())
                .put("roofline_share", row.rooflineShare())
                .put("load_s", row.loadSeconds())
                .put("cpu", processor)
                .toString();
    }

    private static String number(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }

    /** {@return the name of the processor where Linux tells it, else the architecture} */
    private static String processor() {
        if (!Files.isReadable(PROCESSORS)) {
            return System.getProperty("os.arch");
        }
        try (Stream<String> lines = Files.lines(PROCESSORS)) {
            return lines.filter(line -> line.startsWith("model name"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(System.getProperty("os.arch"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
