/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.ArrayList;
import java.util.List;

/**
 * Adjacent layers of a model, counted from 0.
 *
 * @param from the first
 * @param to the one behind the last
 * @param of how many the model has
 */
record LayerRange(int from, int to, int of) {
    LayerRange {
        if (from < 0 || to <= from || to > of) {
            throw new IllegalArgumentException(
                    "layers must be a range within the model's " + of + ", got " + from + " to " + to);
        }
    }

    static LayerRange all(Gpt2Config config) {
        return new LayerRange(0, config.layers(), config.layers());
    }

    /** {@return this many ranges that make up the model, as equal as can be, the first ones larger} */
    static List<LayerRange> split(Gpt2Config config, int stages) {
        int layers = config.layers();
        if (stages < 1 || stages > layers) {
            throw new IllegalArgumentException(
                    "stages must be between 1 and the model's " + layers + " layers, got " + stages);
        }
        List<LayerRange> ranges = new ArrayList<>();
        int from = 0;
        for (int stage = 0; stage < stages; stage++) {
            int to = from + layers / stages + (stage < layers % stages ? 1 : 0);
            ranges.add(new LayerRange(from, to, layers));
            from = to;
        }
        return ranges;
    }

    int size() {
        return to - from;
    }

    boolean first() {
        return from == 0;
    }

    boolean last() {
        return to == of;
    }
}
