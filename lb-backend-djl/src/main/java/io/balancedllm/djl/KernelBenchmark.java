/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.time.Ticker;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * Measures what kernels make of this machine: prompts, and decoding at some batch sizes beside the time one thread takes to
 * read the same weights once, which no decoding of fp32 can beat at batch 1. All kernels are loaded and warmed up, then take
 * turns, so that neither their order nor what else the machine does favours one; where they do not fit beside each other,
 * one is measured after the other. Not thread-safe.
 */
public final class KernelBenchmark {
    /** Tokens in the prompt that is measured as such, where the context has the room. */
    private static final int PREFILL = 512;

    /** What the weights of all kernels may take together. */
    private static final long TOGETHER_BYTES = 6_000_000_000L;

    /** A kernel's weights at most: fp32 twice, and what the reading of memory takes. */
    private static final int BYTES_PER_PARAMETER = 3 * Float.BYTES;

    private static final int TOKENS = 63;
    private static final int WARM_UP_TOKENS = 7;
    private static final int ROUNDS = 3;
    /** For each kernel: compilers and processor clocks have settled by then. */
    private static final long WARM_UP_NANOS = 4_000_000_000L;
    /** For each kernel, batch size and round: small models would be through in a moment. */
    private static final long ROUND_NANOS = 250_000_000L;

    private static final double NANOS = 1e9;
    private static final long SEED = 7;

    private final Ticker ticker;
    private final String shape;
    private final int threads;
    private final Gpt2Config config;
    private final Checkpoint checkpoint;

    /**
     * What was measured at one batch size; medians.
     *
     * @param shape the model
     * @param kernel the kernel's name
     * @param threads threads within one operation
     * @param batch sequences decoded at a time
     * @param prefillTokensPerSecond tokens of a prompt
     * @param decodeTokensPerSecond new tokens of all sequences together
     * @param bandwidth gigabytes a second at which one thread reads as many bytes as the weights have
     * @param rooflineShare that reading's time as a share of a step's
     * @param loadSeconds what loading the kernel took
     */
    public record Row(
            String shape,
            String kernel,
            int threads,
            int batch,
            double prefillTokensPerSecond,
            double decodeTokensPerSecond,
            double bandwidth,
            double rooflineShare,
            double loadSeconds) {}

    /** What is measured: a kernel, or a program to compare with. */
    public interface Contender extends AutoCloseable {
        /** {@return its name} */
        String name();

        /** {@return whether it computes on the Java heap, so that reading memory is measured there} */
        boolean onHeap();

        /** {@return how many bytes of a weight it reads} */
        int weightBytes();

        /**
         * {@return the nanoseconds from a prompt of so many tokens to the logits behind it}
         *
         * @param tokens at least 1
         */
        double prompt(int tokens);

        /**
         * {@return the nanoseconds of steps that give one token to each of some sequences}
         *
         * @param batch how many sequences
         * @param tokens how many tokens each gets behind its first, before others begin anew
         * @param nanos measures for about as long, and all these tokens at least
         */
        List<Double> steps(int batch, int tokens, long nanos);

        @Override
        void close();
    }

    /**
     * Reads a model's shape.
     *
     * @param shape {@code tiny} for the story model in this jar, {@code 124m} for GPT-2's shape with drawn weights, or a
     *     model directory
     * @param threads how many threads PyTorch uses within one operation
     * @throws InvalidModelException when the model cannot be read
     */
    public KernelBenchmark(String shape, int threads) {
        this(shape, threads, Ticker.system());
    }

    KernelBenchmark(String shape, int threads, Ticker ticker) {
        this.ticker = ticker;
        this.shape = shape;
        this.threads = threads;
        if (shape.equals("124m")) {
            config = new Gpt2Config(
                    50_257, 1_024, 768, 12, 12, 3_072, 1e-5f, Activation.GELU_TANH, true, false, true, Set.of());
            checkpoint = Checkpoint.drawn(config, SEED, Checkpoint.INITIAL_DEVIATION);
        } else {
            ModelFiles files = shape.equals("tiny") ? ModelFiles.builtIn() : ModelFiles.directory(Path.of(shape));
            config = Gpt2Config.read(files);
            checkpoint = Checkpoint.open(files, config);
        }
    }

    /** {@return how many tokens the model's context has} */
    public int contextLength() {
        return config.contextLength();
    }

    /**
     * Writes the weights as fp32 in the form llama.cpp reads. The tokenizer is a stand-in: each letter is a token.
     *
     * @throws IOException when the file cannot be written
     */
    public void writeGguf(Path file) throws IOException {
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
            GgufWriter.write(config, checkpoint, out);
        }
    }

    /**
     * {@return one row for each kernel and batch size}
     *
     * @param kernels what is loaded
     * @param others what is measured in turn with them; who made them closes them
     * @param batches how many sequences are decoded at a time
     * @throws InvalidModelException when a kernel cannot be loaded
     */
    public List<Row> run(List<KernelChoice> kernels, List<Contender> others, int... batches) {
        long bytes = BYTES_PER_PARAMETER * config.parameters() * (kernels.size() + others.size());
        if (bytes <= TOGETHER_BYTES) {
            return inTurn(kernels, others, batches);
        }
        List<Row> rows = new ArrayList<>();
        kernels.forEach(kernel -> rows.addAll(inTurn(List.of(kernel), List.of(), batches)));
        if (!others.isEmpty()) {
            rows.addAll(inTurn(List.of(), others, batches));
        }
        return rows;
    }

    private List<Row> inTurn(List<KernelChoice> kernels, List<Contender> others, int... batches) {
        List<Contest> contests = new ArrayList<>();
        try {
            for (KernelChoice choice : kernels) {
                contests.add(load(choice, batches));
            }
            others.forEach(other -> contests.add(new Contest(other, false, 0, batches)));
            contests.forEach(Contest::warmUp);
            for (int round = 0; round < ROUNDS; round++) {
                contests.forEach(Contest::round);
            }
            return contests.stream().flatMap(contest -> contest.rows().stream()).toList();
        } finally {
            contests.forEach(Contest::close);
        }
    }

    private Contest load(KernelChoice choice, int... batches) {
        long start = ticker.nanos();
        Kernel kernel = Kernels.load(
                config, checkpoint, KernelOptions.DEFAULT.choice(choice).threads(threads));
        double seconds = (ticker.nanos() - start) / NANOS;
        return new Contest(new KernelContender(kernel, config, ticker), true, seconds, batches);
    }

    /** One contender and what was measured of it. */
    private final class Contest implements AutoCloseable {
        private final Contender contender;
        private final boolean own;
        private final double loadSeconds;
        private final MemoryRead memory;
        private final int[] batches;
        private final List<List<Double>> steps = new ArrayList<>();
        private final List<Double> reads = new ArrayList<>();
        private final List<Double> prompts = new ArrayList<>();

        Contest(Contender contender, boolean own, double loadSeconds, int... batches) {
            this.contender = contender;
            this.own = own;
            this.loadSeconds = loadSeconds;
            this.batches = batches;
            long read = config.parameters() - (long) config.contextLength() * config.width();
            memory = MemoryRead.of(read * contender.weightBytes(), contender.onHeap(), threads);
            for (int ignored : batches) {
                steps.add(new ArrayList<>());
            }
        }

        void warmUp() {
            memory.nanos(ticker);
            contender.prompt(prefillTokens());
            for (int batch : batches) {
                contender.steps(batch, WARM_UP_TOKENS, WARM_UP_NANOS / batches.length);
            }
        }

        void round() {
            prompts.add(contender.prompt(prefillTokens()));
            for (int i = 0; i < batches.length; i++) {
                reads.add((double) memory.nanos(ticker));
                steps.get(i).addAll(contender.steps(batches[i], TOKENS, ROUND_NANOS));
            }
        }

        List<Row> rows() {
            List<Row> rows = new ArrayList<>();
            for (int i = 0; i < batches.length; i++) {
                double step = median(steps.get(i));
                double read = median(reads);
                rows.add(new Row(
                        shape,
                        contender.name(),
                        threads,
                        batches[i],
                        prefillTokens() * NANOS / median(prompts),
                        batches[i] * NANOS / step,
                        memory.bytes() / read,
                        read / step,
                        loadSeconds));
            }
            return rows;
        }

        @Override
        public void close() {
            memory.close();
            if (own) {
                contender.close();
            }
        }
    }

    /** One token less than the context, where that is smaller: some programs make room for the next. */
    private int prefillTokens() {
        return Math.min(PREFILL, config.contextLength() - 1);
    }

    private static double median(List<Double> values) {
        double[] sorted =
                values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        return Arrays.stream(sorted, (sorted.length - 1) / 2, sorted.length / 2 + 1)
                .average()
                .orElse(Double.NaN);
    }
}
