/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.time.Ticker;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A kernel under {@link KernelBenchmark}. Sequences begin with prompts of 32 tokens, as many different lengths as
 * sequences; each step draws the most probable token in Java as an engine would.
 */
final class KernelContender implements KernelBenchmark.Contender {
    private static final int PROMPT = 32;
    private static final long SEED = 7;

    private final SplittableRandom random = new SplittableRandom(SEED);
    private final Kernel kernel;
    private final Gpt2Config config;
    private final Ticker ticker;

    KernelContender(Kernel kernel, Gpt2Config config, Ticker ticker) {
        this.kernel = kernel;
        this.config = config;
        this.ticker = ticker;
    }

    @Override
    public String name() {
        return kernel.name();
    }

    @Override
    public boolean onHeap() {
        return kernel instanceof JavaKernel;
    }

    @Override
    public int weightBytes() {
        return kernel.name().equals(ScriptLinears.HALF.title()) ? Short.BYTES : Float.BYTES;
    }

    @Override
    public double prompt(int tokens) {
        int[] prompt = tokens(tokens);
        long start = ticker.nanos();
        try (Kernel.KvCache cache = kernel.allocate(prompt.length)) {
            kernel.step(List.of(new Kernel.Slice(cache, prompt, true)));
        }
        return ticker.nanos() - start;
    }

    @Override
    public List<Double> steps(int batch, int tokens, long nanos) {
        List<Double> steps = new ArrayList<>();
        long start = ticker.nanos();
        do {
            generate(batch, tokens, steps);
        } while (ticker.nanos() - start < nanos);
        return steps;
    }

    private void generate(int batch, int count, List<Double> steps) {
        List<Kernel.KvCache> caches = new ArrayList<>();
        List<Kernel.Slice> slices = new ArrayList<>();
        for (int i = 0; i < batch; i++) {
            Kernel.KvCache cache = kernel.allocate(PROMPT + count);
            caches.add(cache);
            slices.add(new Kernel.Slice(cache, tokens(PROMPT - i % PROMPT), true));
        }
        float[][] logits = kernel.step(slices);
        for (int step = 0; step < count; step++) {
            long before = ticker.nanos();
            List<Kernel.Slice> next = new ArrayList<>();
            for (int i = 0; i < batch; i++) {
                next.add(new Kernel.Slice(caches.get(i), new int[] {JavaOps.argMax(logits[i])}, true));
            }
            logits = kernel.step(next);
            steps.add((double) (ticker.nanos() - before));
        }
        caches.forEach(Kernel.KvCache::close);
    }

    @Override
    public void close() {
        kernel.close();
    }

    private int[] tokens(int count) {
        return random.ints(count, 0, config.vocabularySize()).toArray();
    }
}
