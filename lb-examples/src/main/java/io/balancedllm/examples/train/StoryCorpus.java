/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The stories of one training: new ones for each step, so that none is learned by heart, and others to validate with. Which
 * ones depends on the seed and the number of the step only, so a training that goes on later reads the same.
 */
record StoryCorpus(long seed) {
    /** Stories of one step. */
    static final int BATCH = 4;

    /** Stories that the tokenizer is learned from. */
    static final int TOKENIZER_STORIES = 3_000;

    static final int VALIDATION_STORIES = 64;

    private static final long STRIDE = 0x9e3779b97f4a7c15L;

    List<String> batch(int step) {
        return stories((long) step * BATCH, BATCH);
    }

    /** {@return stories that no step reads} */
    List<String> validation() {
        return stories(-VALIDATION_STORIES, VALIDATION_STORIES);
    }

    List<String> forTokenizer() {
        return stories(0, TOKENIZER_STORIES);
    }

    private List<String> stories(long first, int count) {
        List<String> stories = new ArrayList<>(count);
        IntStream.range(0, count)
                .mapToObj(
                        i -> StoryGrammar.write((seed + 1) * STRIDE + first + i).text())
                .forEach(stories::add);
        return stories;
    }
}
