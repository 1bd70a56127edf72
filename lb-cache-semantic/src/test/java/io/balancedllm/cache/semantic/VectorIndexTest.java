/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.cache.Embedding;
import io.balancedllm.cache.StoredAnswer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VectorIndexTest {
    private static final StoredAnswer ANSWER =
            StoredAnswer.of(Answers.answer("a")).orElseThrow();

    private static Entry entry(int number, float[] vector) {
        return new Entry("k" + number, "p", "text " + number, null, null, vector, ANSWER, 0, Long.MAX_VALUE);
    }

    /** Vectors that extend further in some directions than in others, and lie in clusters, as embeddings do. */
    private static float[] vector(Random random, int dimension, float[][] centres) {
        float[] centre = centres[random.nextInt(centres.length)];
        float[] vector = new float[dimension];
        for (int i = 0; i < dimension; i++) {
            vector[i] = centre[i] + (float) (random.nextGaussian() * 0.3 / Math.sqrt(1 + i));
        }
        return Embedding.of(vector, false).vector();
    }

    private static float[][] centres(Random random, int dimension) {
        float[][] centres = new float[50][dimension];
        for (float[] centre : centres) {
            for (int i = 0; i < dimension; i++) {
                centre[i] = (float) random.nextGaussian();
            }
        }
        return centres;
    }

    /** Adds, removes, learns a basis and searches in random order, and compares with all similarities multiplied out. */
    @ParameterizedTest
    @CsvSource({"1, 384", "2, 384", "3, 96", "4, 40", "5, 7", "6, 500"})
    void everySearchFindsWhatMultiplyingOutFinds(long seed, int dimension) {
        Random random = new Random(seed);
        float[][] centres = centres(random, dimension);
        VectorIndex index = new VectorIndex("p", Rotation.none(dimension));
        List<Entry> entries = new ArrayList<>();
        int found = 0;
        for (int step = 0; step < 4_000; step++) {
            if (entries.isEmpty() || random.nextInt(4) > 0) {
                Entry entry = entry(step, vector(random, dimension, centres));
                index.add(entry);
                entries.add(entry);
            } else if (random.nextInt(3) == 0) {
                index.remove(entries.remove(random.nextInt(entries.size())));
            }
            if (step == 700 || step == 2_000) {
                index.rotate(Rotation.learn(
                        dimension, entries.stream().map(entry -> entry.vector).toList()));
            }
            if (step % 5 == 0) {
                float[] query = vector(random, dimension, centres);
                float threshold = 0.5f + random.nextInt(5) / 10f;
                List<Float> expected = entries.stream()
                        .map(entry -> VectorIndex.dot(entry.vector, query))
                        .filter(similarity -> similarity >= threshold)
                        .sorted(Comparator.reverseOrder())
                        .limit(VectorIndex.MAX_CANDIDATES)
                        .toList();
                assertThat(index.nearest(query, threshold).stream().map(VectorIndex.Candidate::similarity))
                        .isEqualTo(expected);
                found += expected.size();
            }
        }
        assertThat(index.size()).isEqualTo(entries.size()).isGreaterThan(2 * VectorIndex.BLOCK);
        assertThat(found).isGreaterThan(1_000);
    }

    @Test
    void aLearnedBasisLeavesLittleOut() {
        Random random = new Random(1);
        float[][] centres = centres(random, 384);
        List<float[]> sample = new ArrayList<>();
        for (int i = 0; i < 512; i++) {
            sample.add(vector(random, 384, centres));
        }
        Rotation learned = Rotation.learn(384, sample);

        assertThat(learned.rotate(sample.get(0)).afterNeck()).isLessThan(0.2f);
        assertThat(Rotation.none(384).rotate(sample.get(0)).afterNeck()).isGreaterThan(0.5f);
    }

    @Test
    void emptyingLeavesNothingAndFillsAgain() {
        VectorIndex index = new VectorIndex("p", Rotation.none(2));
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < 3_000; i++) {
            entries.add(entry(i, new float[] {1, 0}));
            index.add(entries.get(i));
        }
        entries.forEach(index::remove);
        assertThat(index.nearest(new float[] {1, 0}, 0.5f)).isEmpty();
        index.add(entry(0, new float[] {1, 0}));
        assertThat(index.nearest(new float[] {1, 0}, 0.5f)).hasSize(1);
    }

    /** While a writer adds and removes, readers see only entries that are alive or have just gone, with their own similarity. */
    @Test
    void readersNeedNoLock() throws InterruptedException {
        Random random = new Random(3);
        float[][] centres = centres(random, 64);
        VectorIndex index = new VectorIndex("p", Rotation.none(64));
        AtomicBoolean stop = new AtomicBoolean();
        AtomicReference<Throwable> wrong = new AtomicReference<>();
        CountDownLatch done = new CountDownLatch(2);
        for (int t = 0; t < 2; t++) {
            float[] query = vector(random, 64, centres);
            new Thread(() -> {
                        try {
                            while (!stop.get()) {
                                for (VectorIndex.Candidate candidate : index.nearest(query, 0.5f)) {
                                    if (candidate.similarity() != VectorIndex.dot(candidate.entry().vector, query)) {
                                        throw new AssertionError("another's similarity");
                                    }
                                }
                            }
                        } catch (Throwable e) {
                            wrong.set(e);
                        } finally {
                            done.countDown();
                        }
                    })
                    .start();
        }
        List<Entry> entries = new ArrayList<>();
        for (int step = 0; step < 20_000; step++) {
            if (entries.size() < 10 || random.nextInt(5) > 1) {
                Entry entry = entry(step, vector(random, 64, centres));
                index.add(entry);
                entries.add(entry);
            } else {
                index.remove(entries.remove(random.nextInt(entries.size())));
            }
        }
        stop.set(true);

        assertThat(done.await(30, TimeUnit.SECONDS)).isTrue();
        assertThat(wrong.get()).isNull();
    }
}
