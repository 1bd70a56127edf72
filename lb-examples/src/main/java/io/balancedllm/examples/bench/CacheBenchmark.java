/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.BalancedLlm;
import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheOptions;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import io.balancedllm.cache.semantic.Audit;
import io.balancedllm.cache.semantic.SemanticCache;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.testkit.ScriptedBackend;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Hits of the exact cache as whole calls, and lookups by meaning without the embedding, beside multiplying out. The
 * vectors are drawn: as many values as MiniLM's, in topics, most of their length in few directions as with real ones.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class CacheBenchmark {
    private static final int DIMENSION = 384;
    private static final int TOPICS = 1_000;
    private static final int QUERIES = 256;
    private static final int WORDS = 100;
    /** Directions after which the length of vectors has halved. */
    private static final double DECAY = 16;

    private static final double TOPIC_NOISE = 0.5;
    private static final double QUERY_NOISE = 0.1;

    private static CompletionRequest request(String text) {
        return CompletionRequest.builder("m").user(text).temperature(0).build();
    }

    private static CacheKey key(String text) {
        return CacheKey.of(request(text), CallOptions.DEFAULT, CacheScope.TENANT);
    }

    /** A balancer that knows the answer. */
    @State(Scope.Benchmark)
    public static class Known {
        final CompletionRequest request = request("Why is the sky blue?");
        final BalancedLlm llm = BalancedLlm.builder()
                .endpoint("a", ScriptedBackend.answering("light ".repeat(WORDS)))
                .healthCheck(HealthCheck.off())
                .cache(CacheOptions.DEFAULT)
                .build();

        /** Asks once. */
        @Setup
        public void ask() {
            llm.complete(request);
        }

        /** Ends it. */
        @TearDown
        public void close() {
            llm.close();
        }
    }

    /** Entries of one partition, and texts near some of them. */
    @State(Scope.Benchmark)
    public abstract static class Entries implements Embedder {
        private final int count;
        private final Random random = new Random(7);
        private final float[][] topics = new float[TOPICS][];
        final float[][] vectors;
        final Embedding[] queries = new Embedding[QUERIES];
        final CompletionRequest[] requests = new CompletionRequest[QUERIES];
        final CacheKey[] keys = new CacheKey[QUERIES];
        final SemanticCache cache;
        final Completion answer = Completion.builder(Operation.CHAT)
                .choice(new Choice(0, Message.assistant("Because."), FinishReason.STOP, null, Map.of()))
                .build();

        Entries(int count) {
            this.count = count;
            this.vectors = new float[count][];
            this.cache = SemanticCache.builder(this)
                    .executor(Runnable::run)
                    .maximumSize(count + QUERIES)
                    .maximumBytes(1L << 32)
                    .tenantShare(1)
                    .audit(Audit.builder().share(0).build())
                    .build();
        }

        /** Fills the cache. */
        @Setup
        public void fill() {
            for (int i = 0; i < TOPICS; i++) {
                topics[i] = draw(new float[DIMENSION], 1);
            }
            for (int i = 0; i < count; i++) {
                vectors[i] = Embedding.of(draw(topics[random.nextInt(TOPICS)], TOPIC_NOISE), false)
                        .vector();
                store(key("question " + i), Embedding.of(vectors[i], false));
            }
            for (int i = 0; i < QUERIES; i++) {
                queries[i] = Embedding.of(draw(vectors[i], QUERY_NOISE / Math.sqrt(DECAY)), false);
                requests[i] = request("the question " + i);
                keys[i] = key("the question " + i);
            }
        }

        private float[] draw(float[] around, double noise) {
            float[] vector = new float[DIMENSION];
            for (int i = 0; i < DIMENSION; i++) {
                vector[i] = (float) (around[i] + noise * random.nextGaussian() / (1 + i / DECAY));
            }
            return vector;
        }

        final void store(CacheKey key, Embedding embedding) {
            cache.store(key, new CacheLookup.Miss(new CacheOutcome.Miss(), embedding, 0), answer);
        }

        final CacheLookup lookUp(int query) {
            return cache.lookup(keys[query], requests[query])
                    .toCompletableFuture()
                    .join();
        }

        final int multiplyOut(int number) {
            float[] query = queries[number].vector();
            int best = 0;
            float highest = -1;
            for (int entry = 0; entry < count; entry++) {
                float[] vector = vectors[entry];
                float product = 0;
                for (int i = 0; i < DIMENSION; i++) {
                    product += query[i] * vector[i];
                }
                if (product > highest) {
                    highest = product;
                    best = entry;
                }
            }
            return best;
        }

        @Override
        public CompletionStage<List<Embedding>> embed(List<String> texts) {
            String text = texts.get(0);
            int query = Integer.parseInt(text, text.lastIndexOf(' ') + 1, text.length(), 10);
            return CompletableFuture.completedFuture(List.of(queries[query]));
        }

        @Override
        public int dimension() {
            return DIMENSION;
        }

        @Override
        public String id() {
            return "drawn";
        }

        @Override
        public double threshold() {
            return 0.93;
        }

        /** Ends it. */
        @Override
        @TearDown
        public void close() {
            cache.close();
        }
    }

    /** Ten thousand. */
    public static class TenThousand extends Entries {
        /** Entries. */
        public TenThousand() {
            super(10_000);
        }
    }

    /** A hundred thousand. */
    public static class HundredThousand extends Entries {
        /** Entries. */
        public HundredThousand() {
            super(100_000);
        }
    }

    /** Which text is asked next, by each thread. */
    @State(Scope.Thread)
    public static class Cursor {
        private int last;

        int next() {
            last = (last + 1) % QUERIES;
            return last;
        }
    }

    /** A call that is answered from the exact cache. */
    @Benchmark
    public Completion exactHit(Known known) {
        return known.llm.complete(known.request);
    }

    /** The same, read as a stream. */
    @Benchmark
    public Completion exactHitStreamed(Known known) {
        try (CompletionStream stream = known.llm.stream(known.request)) {
            return stream.completion();
        }
    }

    /** A hit among ten thousand. */
    @Benchmark
    public CacheLookup lookUpTen(TenThousand entries, Cursor cursor) {
        return entries.lookUp(cursor.next());
    }

    /** A hit among a hundred thousand. */
    @Benchmark
    public CacheLookup lookUpHundred(HundredThousand entries, Cursor cursor) {
        return entries.lookUp(cursor.next());
    }

    /** The nearest of ten thousand, multiplied out. */
    @Benchmark
    public int multiplyTen(TenThousand entries, Cursor cursor) {
        return entries.multiplyOut(cursor.next());
    }

    /** The nearest of a hundred thousand, multiplied out. */
    @Benchmark
    public int multiplyHundred(HundredThousand entries, Cursor cursor) {
        return entries.multiplyOut(cursor.next());
    }

    /** An answer is stored in place of an older one. */
    @Benchmark
    public void store(TenThousand entries, Cursor cursor) {
        int query = cursor.next();
        entries.store(entries.keys[query], entries.queries[query]);
    }
}
