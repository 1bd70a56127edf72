/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;

/**
 * A model whose layers lie on several devices. A step is cut into as many parts as there are stages, and each stage works
 * on one part while the next works on the part before it; each has a thread of its own. A step of one sequence's one token
 * cannot be cut: it passes through one stage after the other.
 *
 * @see <a href="https://arxiv.org/abs/1811.06965">Huang et al., GPipe: Efficient Training of Giant Neural Networks using
 *     Pipeline Parallelism, 2019</a>
 */
final class PipelineKernel implements Kernel {
    /** Fewer tokens than these are not worth a part of their own. */
    static final int LEAST_PART_TOKENS = 16;

    private final List<Kernel> stages;
    private final List<ExecutorService> threads = new ArrayList<>();

    /** Takes over kernels that together hold all layers, in order. */
    PipelineKernel(List<Kernel> stages) {
        this.stages = List.copyOf(stages);
        for (int i = 0; i < stages.size(); i++) {
            String name = "gpt2-stage-" + i + "-" + stages.get(i).device();
            threads.add(Executors.newSingleThreadExecutor(task -> {
                Thread thread = new Thread(task, name);
                thread.setDaemon(true);
                return thread;
            }));
        }
    }

    /** Loads a stage on each of these devices, in order. */
    static Kernel load(Gpt2Config config, Checkpoint checkpoint, KernelOptions options, List<String> devices) {
        List<LayerRange> ranges = LayerRange.split(config, devices.size());
        List<Kernel> stages = new ArrayList<>();
        try {
            for (int i = 0; i < devices.size(); i++) {
                stages.add(Kernels.load(
                        config, checkpoint, options.device(devices.get(i)).layers(ranges.get(i))));
            }
        } catch (RuntimeException | OutOfMemoryError e) {
            stages.forEach(Kernel::close);
            throw e;
        }
        return new PipelineKernel(stages);
    }

    @Override
    public KvCache allocate(int tokens) {
        List<KvCache> caches = new ArrayList<>();
        try {
            for (Kernel stage : stages) {
                caches.add(stage.allocate(tokens));
            }
        } catch (RuntimeException | OutOfMemoryError e) {
            caches.forEach(KvCache::close);
            throw e;
        }
        return new Caches(caches);
    }

    @Override
    public float[][] step(List<Slice> slices) {
        int[] before = slices.stream().mapToInt(slice -> slice.cache().length()).toArray();
        List<List<Part>> groups = groups(slices);
        List<CompletableFuture<float[][]>> last = new ArrayList<>();
        for (List<Part> group : groups) {
            CompletableFuture<float[][]> states = CompletableFuture.completedFuture(new float[group.size()][]);
            for (int stage = 0; stage < stages.size(); stage++) {
                int at = stage;
                states = states.thenApplyAsync(from -> run(at, slices, group, from), threads.get(stage));
            }
            last.add(states);
        }
        // All parts come to their end, well or badly, before anything is taken back.
        CompletableFuture<Void> all = CompletableFuture.allOf(last.toArray(CompletableFuture[]::new));
        try {
            all.join();
        } catch (CompletionException e) {
            for (int i = 0; i < before.length; i++) {
                slices.get(i).cache().truncate(before[i]);
            }
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            if (e.getCause() instanceof Error cause) {
                throw cause;
            }
            throw e;
        }
        float[][] results = new float[slices.size()][0];
        for (int i = 0; i < groups.size(); i++) {
            float[][] numbers = last.get(i).join();
            for (int j = 0; j < numbers.length; j++) {
                int slice = groups.get(i).get(j).slice();
                results[slice] = results[slice].length == 0 ? numbers[j] : concatenated(results[slice], numbers[j]);
            }
        }
        return results;
    }

    private float[][] run(int stage, List<Slice> slices, List<Part> group, float[][] states) {
        List<Slice> own = new ArrayList<>();
        for (int i = 0; i < group.size(); i++) {
            Part part = group.get(i);
            Slice whole = slices.get(part.slice());
            boolean end = part.to() == whole.tokens().length;
            own.add(new Slice(
                    ((Caches) whole.cache()).stages.get(stage),
                    Arrays.copyOfRange(whole.tokens(), part.from(), part.to()),
                    end || whole.wanted() == Wanted.STATES ? whole.wanted() : Wanted.NOTHING,
                    stage == 0 ? null : states[i]));
        }
        return stages.get(stage).step(own);
    }

    /** Cuts a step into parts of about the same number of tokens, those of one sequence in order. */
    private List<List<Part>> groups(List<Slice> slices) {
        int tokens = slices.stream().mapToInt(slice -> slice.tokens().length).sum();
        boolean decodes = tokens == slices.size();
        int size = (tokens + stages.size() - 1) / stages.size();
        int limit = decodes ? size : Math.max(LEAST_PART_TOKENS, size);
        List<List<Part>> groups = new ArrayList<>();
        List<Part> group = new ArrayList<>();
        int room = limit;
        for (int i = 0; i < slices.size(); i++) {
            int length = slices.get(i).tokens().length;
            for (int from = 0; from < length; ) {
                int to = Math.min(length, from + room);
                group.add(new Part(i, from, to));
                room -= to - from;
                from = to;
                if (room == 0) {
                    groups.add(group);
                    group = new ArrayList<>();
                    room = limit;
                }
            }
        }
        if (!group.isEmpty()) {
            groups.add(group);
        }
        return groups;
    }

    private static float[] concatenated(float[] first, float[] second) {
        float[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    @Override
    public String name() {
        return "pipeline of " + stages.stream().map(Kernel::name).collect(Collectors.joining(", "));
    }

    @Override
    public String device() {
        return stages.stream().map(Kernel::device).collect(Collectors.joining("+"));
    }

    @Override
    public LayerRange layers() {
        int of = stages.get(0).layers().of();
        return new LayerRange(0, of, of);
    }

    @Override
    public long kvBytesPerToken() {
        return stages.stream().mapToLong(Kernel::kvBytesPerToken).sum();
    }

    @Override
    public Kernel replica() {
        return new PipelineKernel(stages.stream().map(Kernel::replica).toList());
    }

    @Override
    public void close() {
        threads.forEach(ExecutorService::shutdown);
        stages.forEach(Kernel::close);
    }

    /** Some tokens of a slice. */
    private record Part(int slice, int from, int to) {}

    /** The caches of one sequence in all stages. */
    private record Caches(List<KvCache> stages) implements KvCache {
        @Override
        public int length() {
            return stages.get(stages.size() - 1).length();
        }

        @Override
        public void truncate(int tokens) {
            stages.forEach(cache -> cache.truncate(tokens));
        }

        @Override
        public KvBlock save(int from, int tokens) {
            return new Blocks(
                    stages.stream().map(cache -> cache.save(from, tokens)).toList());
        }

        @Override
        public void append(KvBlock block) {
            if (block instanceof Blocks blocks && blocks.stages.size() == stages.size()) {
                for (int i = 0; i < stages.size(); i++) {
                    stages.get(i).append(blocks.stages.get(i));
                }
            } else {
                throw new IllegalArgumentException("the block is not of a pipeline like this one");
            }
        }

        @Override
        public void close() {
            stages.forEach(KvCache::close);
        }
    }

    private record Blocks(List<KvBlock> stages) implements KvBlock {
        @Override
        public int tokens() {
            return stages.get(0).tokens();
        }

        @Override
        public float[] floats() {
            return stages.stream().map(KvBlock::floats).reduce(new float[0], PipelineKernel::concatenated);
        }

        @Override
        public void close() {
            stages.forEach(KvBlock::close);
        }
    }
}
