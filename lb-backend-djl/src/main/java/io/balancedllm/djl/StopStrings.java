/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.List;

/**
 * Finds stop strings in text that comes in pieces. Holds back the longest end of the text that may still become a stop
 * string, so that none of it is ever handed out. Not thread-safe.
 */
final class StopStrings {
    private final List<String> stops;
    private final StringBuilder held = new StringBuilder();
    private boolean met;

    StopStrings(List<String> stops) {
        this.stops = stops.stream().filter(stop -> !stop.isEmpty()).toList();
    }

    /** {@return whether a stop string was met; the text ends before it} */
    boolean met() {
        return met;
    }

    /** {@return the text that is free to go after this piece} */
    String append(String piece) {
        held.append(piece);
        int first = firstStop();
        if (first >= 0) {
            met = true;
            return take(first);
        }
        return take(held.length() - undecided());
    }

    /** {@return what was held back, now that no more text comes} */
    String finish() {
        return met ? "" : take(held.length());
    }

    private int firstStop() {
        return stops.stream()
                .mapToInt(held::indexOf)
                .filter(index -> index >= 0)
                .min()
                .orElse(-1);
    }

    private int undecided() {
        int longest = 0;
        for (String stop : stops) {
            for (int length = Math.min(stop.length() - 1, held.length()); length > longest; length--) {
                if (stop.startsWith(held.substring(held.length() - length))) {
                    longest = length;
                }
            }
        }
        return longest;
    }

    private String take(int length) {
        String text = held.substring(0, length);
        held.delete(0, length);
        return text;
    }
}
