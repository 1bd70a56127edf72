/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CompletionChunk;
import java.util.ArrayList;
import java.util.List;

/** The chunks of an answer that are kept for those who have not had them yet, by position. Not thread-safe. */
final class Replay {
    private final List<CompletionChunk> chunks = new ArrayList<>();
    private long first;
    private long bytes;

    void add(CompletionChunk chunk) {
        chunks.add(chunk);
        bytes += StoredAnswer.bytesOf(chunk);
    }

    CompletionChunk get(long position) {
        return chunks.get((int) (position - first));
    }

    /** {@return the position after the last chunk that has come} */
    long end() {
        return first + chunks.size();
    }

    /** {@return about how many bytes the kept chunks take} */
    long bytes() {
        return bytes;
    }

    /** {@return whether the beginning of the answer is still there} */
    boolean fromTheBeginning() {
        return first == 0;
    }

    void dropBefore(long position) {
        List<CompletionChunk> passed = chunks.subList(0, (int) (position - first));
        bytes -= passed.stream().mapToLong(StoredAnswer::bytesOf).sum();
        passed.clear();
        first = position;
    }

    void clear() {
        chunks.clear();
        bytes = 0;
    }
}
