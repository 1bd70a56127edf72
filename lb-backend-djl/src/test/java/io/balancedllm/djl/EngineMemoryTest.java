/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** An engine on PyTorch under random prompts, choices, pauses and cancels. */
class EngineMemoryTest {
    private static final Path SMAPS = Path.of("/proc/self/smaps_rollup");
    private static final int SAMPLES = 20;
    /** Samples from here on are behind the warm-up. */
    private static final int WARM = 10;

    @Test
    void nothingIsLeftAfterTwoThousandStepsWithRandomCancels() throws IOException {
        assertFlat(2_000, 16_384);
    }

    /** A leak of one block of 16 tokens each step, 4 kB, would be 200 MB over the second half. */
    @Test
    @Tag("long")
    void memoryDoesNotGrowOverAHundredThousandStepsWithRandomCancels() throws IOException {
        assertFlat(100_000, 16_384);
    }

    @Test
    void noThreadIsLeftAfterClose() {
        Set<Thread> before = engineThreads();
        List<Gpt2Backend> backends = new ArrayList<>();
        backends.add(Gpt2Backend.builtIn());
        backends.add(Gpt2Backend.fromDirectory(Golden.path("gpt2-tiny-b")));
        backends.add(
                Gpt2Backend.builder(Golden.path("gpt2-tiny-a")).prefillOn("cpu").build());
        backends.add(Gpt2Backend.builder().pipeline("cpu", "cpu").build());
        Gpt2Pool pool = Gpt2Pool.builder().replicas("cpu", 2).build();
        backends.addAll(pool.backends());
        List<RecordingSink> sinks = new ArrayList<>();
        for (Gpt2Backend backend : backends) {
            RecordingSink sink = new RecordingSink();
            backend.start(Attempt.of(greedy(new int[] {1, 2, 3}, 200)), sink).request(Integer.MAX_VALUE);
            sinks.add(sink);
        }
        assertThat(engineThreads()).hasSizeGreaterThanOrEqualTo(before.size() + backends.size());
        backends.forEach(Gpt2Backend::close);
        assertThat(sinks).allSatisfy(sink -> assertThat(sink.terminal).isNotEmpty());
        for (Thread thread : engineThreads()) {
            if (!before.contains(thread)) {
                joined(thread);
            }
        }
    }

    private static void assertFlat(int steps, int allowedKilobytes) throws IOException {
        assumeTrue(Files.isReadable(SMAPS), "skipped: " + SMAPS + " is only on Linux");
        Gpt2Model model = Golden.model("gpt2-tiny-a", KernelChoice.SCRIPT);
        int arrays = ((ScriptKernel) model.kernel()).managedArrays();
        EngineOptions options = new EngineOptions(6, 30, 640, 256);
        try (Gpt2Backend backend = new Gpt2Backend("tiny", model, options, () -> 0)) {
            Load load = new Load(backend);
            long[] kilobytes = new long[SAMPLES];
            for (int sample = 0; sample < SAMPLES; sample++) {
                for (int i = 0; i < steps / SAMPLES; i++) {
                    load.step();
                }
                kilobytes[sample] = nativeKilobytes();
            }
            load.cancelAll();
            assertThat(backend.engine().report().requests()).hasValue(0);
            assertThat(backend.engine().report().kvUsage()).hasValue(0);
            // The slope by the medians of the first and the last half behind the warm-up.
            int half = (SAMPLES - WARM) / 2;
            long first = median(Arrays.copyOfRange(kilobytes, WARM, WARM + half));
            long last = median(Arrays.copyOfRange(kilobytes, SAMPLES - half, SAMPLES));
            assertThat(last - first)
                    .as("kB at each twentieth of the run: %s", Arrays.toString(kilobytes))
                    .isLessThan(allowedKilobytes);
            backend.engine().shutDown();
            assertThat(((ScriptKernel) model.kernel()).managedArrays())
                    .as("arrays beside the weights once the engine is closed")
                    .isEqualTo(arrays);
        }
    }

    private static long median(long[] values) {
        return Arrays.stream(values).sorted().toArray()[values.length / 2];
    }

    /** Anonymous memory of the process beyond what the Java heap has committed. */
    private static long nativeKilobytes() throws IOException {
        System.gc();
        long anonymous = Arrays.stream(Files.readString(SMAPS).split("\n"))
                .filter(line -> line.startsWith("Anonymous:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .sum();
        return anonymous - Runtime.getRuntime().totalMemory() / 1024;
    }

    private static Set<Thread> engineThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("gpt2-"))
                .collect(Collectors.toSet());
    }

    private static void joined(Thread thread) {
        try {
            thread.join(10_000);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        assertThat(thread.isAlive()).as(thread.getName()).isFalse();
    }

    /** Requests of all kinds, from a fixed seed. */
    private static final class Load {
        private final Gpt2Backend backend;
        private final SplittableRandom random = new SplittableRandom(7);
        private final List<Generation> generations = new ArrayList<>();
        private final List<RecordingSink> sinks = new ArrayList<>();

        Load(Gpt2Backend backend) {
            this.backend = backend;
        }

        void step() {
            if (generations.size() < 10 && random.nextInt(3) == 0) {
                CompletionRequest request = greedy(
                                prompt(1 + random.nextInt(100), random.nextInt(20)), 1 + random.nextInt(60))
                        .newBuilder()
                        .n(1 + random.nextInt(3))
                        .build();
                RecordingSink sink = new RecordingSink();
                sinks.add(sink);
                generations.add(backend.start(Attempt.of(request), sink));
            }
            for (int i = 0; i < generations.size(); i++) {
                int what = random.nextInt(100);
                if (what < 2) {
                    generations.get(i).cancel();
                } else if (what < 40) {
                    generations.get(i).request(3);
                }
            }
            backend.engine().step();
            Iterator<RecordingSink> ended = sinks.iterator();
            for (int i = 0; ended.hasNext(); ) {
                if (ended.next().terminal.isEmpty()) {
                    i++;
                } else {
                    ended.remove();
                    generations.remove(i);
                }
            }
        }

        void cancelAll() {
            generations.forEach(Generation::cancel);
            backend.engine().step();
        }
    }
}
