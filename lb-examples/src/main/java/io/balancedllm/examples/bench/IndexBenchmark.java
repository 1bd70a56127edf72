/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.prefix.PrefixHolder;
import io.balancedllm.prefix.PrefixIndex;
import io.balancedllm.prefix.PrefixPrediction;
import io.balancedllm.prefix.PromptBlocks;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * A full index of 16 endpoints with 27,520 blocks each, beside a {@link LinkedHashMap} for each endpoint that does the
 * same. Matched are prompts of 128 blocks that one endpoint has all of, and all endpoints have the first 32 of; added are
 * prompts of 128 blocks of which 32 are known, so that 96 of the oldest go.
 */
public class IndexBenchmark {
    /** Blocks of a prompt of 8,192 tokens. */
    static final int PROMPT_BLOCKS = 128;

    static final int ENDPOINTS = 16;
    static final int CAPACITY = 27_520;
    private static final int SHARED_BLOCKS = 32;
    private static final int TOKENS_PER_BLOCK = 64;
    private static final int NEW_BLOCKS = PROMPT_BLOCKS - SHARED_BLOCKS;
    private static final int PROMPTS_OF_ENDPOINT = CAPACITY / NEW_BLOCKS;

    /** {@return a prompt of an endpoint} The first blocks are those of all prompts. */
    static PromptBlocks prompt(long number) {
        long[] hashes = new long[PROMPT_BLOCKS];
        SplittableRandom shared = new SplittableRandom(1);
        SplittableRandom own = new SplittableRandom(number + 2);
        for (int block = 0; block < hashes.length; block++) {
            hashes[block] = (block < SHARED_BLOCKS ? shared : own).nextLong();
        }
        return PromptBlocks.exact(hashes, TOKENS_PER_BLOCK, PROMPT_BLOCKS * TOKENS_PER_BLOCK + 1);
    }

    /** {@return a full index} */
    static Ours ours() {
        Ours ours = new Ours();
        ours.fill();
        return ours;
    }

    /** {@return full maps} */
    static Maps maps() {
        Maps maps = new Maps();
        maps.fill();
        return maps;
    }

    /** Our index. */
    @State(Scope.Benchmark)
    public static class Ours {
        final PrefixIndex index = new PrefixIndex();
        final List<PrefixHolder> holders = new ArrayList<>();

        /** Fills it. */
        @Setup
        public void fill() {
            for (int i = 0; i < ENDPOINTS; i++) {
                PrefixHolder holder = index.join("endpoint " + i);
                holder.capacityBlocks(CAPACITY);
                holders.add(holder);
            }
            for (int number = 0; number < (PROMPTS_OF_ENDPOINT + 1) * ENDPOINTS; number++) {
                add(number, prompt(number));
            }
        }

        PrefixPrediction add(int number, PromptBlocks prompt) {
            PrefixHolder holder = holders.get(number % ENDPOINTS);
            PrefixPrediction prediction = holder.dispatched(prompt);
            holder.firstToken(prediction);
            return prediction;
        }
    }

    /** A map for each endpoint. */
    @State(Scope.Benchmark)
    public static class Maps {
        final List<Map<Long, Boolean>> endpoints = new ArrayList<>();

        /** Fills them. */
        @Setup
        public void fill() {
            for (int i = 0; i < ENDPOINTS; i++) {
                endpoints.add(new Lru());
            }
            for (int number = 0; number < (PROMPTS_OF_ENDPOINT + 1) * ENDPOINTS; number++) {
                add(number, prompt(number));
            }
        }

        int add(int number, PromptBlocks prompt) {
            Map<Long, Boolean> endpoint = endpoints.get(number % ENDPOINTS);
            int hit = match(endpoint, prompt);
            for (int block = prompt.size() - 1; block >= 0; block--) {
                endpoint.put(prompt.hash(block), Boolean.TRUE);
            }
            return hit;
        }

        static int match(Map<Long, Boolean> endpoint, PromptBlocks prompt) {
            int hit = 0;
            while (hit < prompt.matchable() && endpoint.containsKey(prompt.hash(hit))) {
                hit++;
            }
            return hit;
        }
    }

    /** What a thread needs. */
    @State(Scope.Thread)
    public static class Prompts {
        private final PromptBlocks[] prompts = new PromptBlocks[1_024];
        final int[] result = new int[ENDPOINTS];
        private int last;
        private int added;

        /** Makes the prompts that are matched, of those added last. */
        @Setup
        public void make() {
            int all = (PROMPTS_OF_ENDPOINT + 1) * ENDPOINTS;
            for (int i = 0; i < prompts.length; i++) {
                prompts[i] = prompt(all - prompts.length + i);
            }
        }

        PromptBlocks next() {
            last = (last + 1) & (prompts.length - 1);
            return prompts[last];
        }

        int number() {
            return added++ & Integer.MAX_VALUE;
        }
    }

    /** Prompts that are not in the index, made beforehand; by the time one comes again it has been evicted. */
    @State(Scope.Benchmark)
    public static class NewPrompts {
        final PromptBlocks[] prompts = new PromptBlocks[2 * PROMPTS_OF_ENDPOINT * ENDPOINTS];

        /** Makes them. */
        @Setup
        public void make() {
            for (int i = 0; i < prompts.length; i++) {
                prompts[i] = prompt(1_000_000L + i);
            }
        }
    }

    /** Matches a prompt with our index. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public int matchOurs(Ours ours, Prompts prompts) {
        return ours.index.match(prompts.next(), prompts.result);
    }

    /** Matches a prompt with the maps. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public int[] matchMaps(Maps maps, Prompts prompts) {
        PromptBlocks prompt = prompts.next();
        for (int i = 0; i < ENDPOINTS; i++) {
            prompts.result[i] = Maps.match(maps.endpoints.get(i), prompt);
        }
        return prompts.result;
    }

    /** Adds a prompt to our index. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public PrefixPrediction addOurs(Ours ours, Prompts prompts, NewPrompts fresh) {
        int number = prompts.number();
        return ours.add(number, fresh.prompts[number % fresh.prompts.length]);
    }

    /** Adds a prompt to the maps. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public int addMaps(Maps maps, Prompts prompts, NewPrompts fresh) {
        int number = prompts.number();
        return maps.add(number, fresh.prompts[number % fresh.prompts.length]);
    }

    /** The blocks of one endpoint in the order of their use. */
    private static final class Lru extends LinkedHashMap<Long, Boolean> {
        Lru() {
            super(16, 0.75f, true);
        }

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Boolean> eldest) {
            return size() > CAPACITY;
        }
    }
}
