/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Set;

/** What an index does, written down as plainly as it can be: a map for each holder, in the order of use. */
final class NaiveIndex {
    final List<Holder> holders = new ArrayList<>();

    int entries() {
        return holders.stream().mapToInt(holder -> holder.lastUses.size()).sum();
    }

    int blocks() {
        Set<Long> blocks = new HashSet<>();
        holders.forEach(holder -> blocks.addAll(holder.lastUses.keySet()));
        return blocks.size();
    }

    static final class Holder {
        final LinkedHashMap<Long, Long> lastUses = new LinkedHashMap<>();
        private final List<Prediction> pending = new ArrayList<>();
        private long clock;
        int capacity = PrefixIndex.DEFAULT_CAPACITY_BLOCKS;

        int match(PromptBlocks prompt) {
            int hit = 0;
            while (hit < prompt.matchable() && lastUses.containsKey(prompt.hash(hit))) {
                hit++;
            }
            return hit;
        }

        Prediction dispatched(PromptBlocks prompt) {
            int hit = match(prompt);
            long lastUse = hit == 0 ? -1 : lastUses.getOrDefault(prompt.hash(hit - 1), -1L);
            long firstPending = pending.stream()
                    .mapToLong(prediction -> prediction.time)
                    .min()
                    .orElse(Long.MAX_VALUE);
            Prediction prediction = new Prediction(prompt, hit, ++clock, lastUse < firstPending ? lastUse : -1);
            pending.add(prediction);
            for (int block = prompt.size() - 1; block >= 0; block--) {
                lastUses.remove(prompt.hash(block));
                lastUses.put(prompt.hash(block), clock);
            }
            trim();
            return prediction;
        }

        void computed(Prediction prediction) {
            pending.remove(prediction);
        }

        void abandoned(Prediction prediction) {
            if (pending.remove(prediction)) {
                for (int block = prediction.hit; block < prediction.prompt.size(); block++) {
                    lastUses.remove(prediction.prompt.hash(block), prediction.time);
                }
            }
        }

        void answered(Prediction prediction, int actualBlocks) {
            pending.remove(prediction);
            if (actualBlocks < prediction.hit && prediction.conclusiveLastUse >= 0) {
                lastUses.values().removeIf(use -> use <= prediction.conclusiveLastUse);
            }
        }

        void capacity(int blocks) {
            capacity = blocks;
            trim();
        }

        /** Forgets the oldest until so many are left. */
        void shrinkTo(int blocks) {
            while (lastUses.size() > blocks) {
                removeOldest();
            }
        }

        private void trim() {
            shrinkTo(capacity);
        }

        private void removeOldest() {
            lastUses.remove(lastUses.keySet().iterator().next());
        }
    }

    /** A plain class, so that two alike are not the same. */
    static final class Prediction {
        private final PromptBlocks prompt;
        private final int hit;
        private final long time;
        private final long conclusiveLastUse;

        Prediction(PromptBlocks prompt, int hit, long time, long conclusiveLastUse) {
            this.prompt = prompt;
            this.hit = hit;
            this.time = time;
            this.conclusiveLastUse = conclusiveLastUse;
        }
    }
}
