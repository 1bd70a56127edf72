/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.time.Ticker;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Measures what a kernel makes of this machine: prompts, and decoding at some batch sizes beside the time one thread takes
 * to read the same weights once, which no decoding of fp32 can beat at batch 1. Sequences begin with prompts of
 * 32 tokens, as many different lengths as sequences, and get 64 new ones; each step draws the most probable token in Java as an
 * engine would. Not thread-safe.
 */
public final class KernelBenchmark implements AutoCloseable {
    private static final int PROMPT = 32;
    private static final int NEW_TOKENS = 64;
    /** Tokens in the prompt that is measured as such, where the context has the room. */
    private static final int PREFILL = 512;

    private static final int ROUNDS = 3;
    private static final long WARM_UP_NANOS = 3_000_000_000L;
    private static final double NANOS = 1e9;
    private static final long SEED = 7;

    private final Ticker ticker = Ticker.system();
    private final SplittableRandom random = new SplittableRandom(SEED);
    private final String shape;
    private final Gpt2Config config;
    private final Kernel kernel;
    private final int threads;
    private final MemoryRead memory;
    private final double loadSeconds;

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

    /**
     * Loads a model.
     *
     * @param shape {@code tiny} for the story model in this jar, {@code 124m} for GPT-2's shape with drawn weights, or a
     *     model directory
     * @param choice the kernel
     * @param threads how many threads PyTorch uses within one operation
     * @throws InvalidModelException when the model or the kernel cannot be loaded
     */
    public KernelBenchmark(String shape, KernelChoice choice, int threads) {
        this.shape = shape;
        this.threads = threads;
        Checkpoint checkpoint;
        if (shape.equals("124m")) {
            config = new Gpt2Config(
                    50_257, 1_024, 768, 12, 12, 3_072, 1e-5f, Activation.GELU_TANH, true, false, true, Set.of());
            checkpoint = Checkpoint.drawn(config, SEED, Checkpoint.INITIAL_DEVIATION);
        } else {
            ModelFiles files = shape.equals("tiny") ? ModelFiles.builtIn() : ModelFiles.directory(Path.of(shape));
            config = Gpt2Config.read(files);
            checkpoint = Checkpoint.open(files, config);
        }
        long start = ticker.nanos();
        kernel = Kernels.load(
                config, checkpoint, KernelOptions.DEFAULT.choice(choice).threads(threads));
        loadSeconds = (ticker.nanos() - start) / NANOS;
        boolean half = kernel.name().equals(ScriptLinears.HALF.title());
        long read = config.parameters() - (long) config.contextLength() * config.width();
        memory = MemoryRead.of(read * (half ? Short.BYTES : Float.BYTES), kernel instanceof JavaKernel, threads);
    }

    /** {@return one row for each batch size; sizes take turns, and the memory is read in each turn} */
    public List<Row> run(int... batches) {
        List<Samples> decodes = new ArrayList<>();
        for (int batch : batches) {
            decode(batch, new Samples(), WARM_UP_NANOS / batches.length);
            decodes.add(new Samples());
        }
        Samples reads = new Samples();
        Samples prefills = new Samples();
        for (int round = 0; round < ROUNDS; round++) {
            prefills.add(prefill());
            for (int i = 0; i < batches.length; i++) {
                reads.add(memory.nanos(ticker));
                decode(batches[i], decodes.get(i), 0);
            }
        }
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < batches.length; i++) {
            double step = decodes.get(i).median();
            rows.add(new Row(
                    shape,
                    kernel.name(),
                    threads,
                    batches[i],
                    prefillTokens() * NANOS / prefills.median(),
                    batches[i] * NANOS / step,
                    memory.bytes() / reads.median(),
                    reads.median() / step,
                    loadSeconds));
        }
        return rows;
    }

    @Override
    public void close() {
        kernel.close();
        memory.close();
    }

    private int prefillTokens() {
        return Math.min(PREFILL, config.contextLength());
    }

    private long prefill() {
        int[] prompt = tokens(prefillTokens());
        long start = ticker.nanos();
        try (Kernel.KvCache cache = kernel.allocate(prompt.length)) {
            kernel.step(List.of(new Kernel.Slice(cache, prompt, true)));
        }
        return ticker.nanos() - start;
    }

    /** Decodes once, or as often as fits into a time. */
    private void decode(int batch, Samples steps, long atLeast) {
        long start = ticker.nanos();
        do {
            List<Kernel.KvCache> caches = new ArrayList<>();
            List<Kernel.Slice> slices = new ArrayList<>();
            for (int i = 0; i < batch; i++) {
                Kernel.KvCache cache = kernel.allocate(PROMPT + NEW_TOKENS);
                caches.add(cache);
                slices.add(new Kernel.Slice(cache, tokens(PROMPT - i % PROMPT), true));
            }
            float[][] logits = kernel.step(slices);
            for (int step = 1; step < NEW_TOKENS; step++) {
                long before = ticker.nanos();
                List<Kernel.Slice> next = new ArrayList<>();
                for (int i = 0; i < batch; i++) {
                    next.add(new Kernel.Slice(caches.get(i), new int[] {JavaOps.argMax(logits[i])}, true));
                }
                logits = kernel.step(next);
                steps.add(ticker.nanos() - before);
            }
            caches.forEach(Kernel.KvCache::close);
        } while (ticker.nanos() - start < atLeast);
    }

    private int[] tokens(int count) {
        return random.ints(count, 0, config.vocabularySize()).toArray();
    }

    /** Durations in nanoseconds. */
    private static final class Samples {
        private final List<Long> values = new ArrayList<>();

        void add(long nanos) {
            values.add(nanos);
        }

        double median() {
            long[] sorted = values.stream().mapToLong(Long::longValue).sorted().toArray();
            return Arrays.stream(sorted, (sorted.length - 1) / 2, sorted.length / 2 + 1)
                    .average()
                    .orElse(Double.NaN);
        }
    }
}
