/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** Remembers what it embedded, strictly the least recently used is forgotten first. Failures are not remembered. */
final class MemoisingEmbedder extends ForwardingEmbedder {
    /** Longer texts are not remembered, which bounds the memory. */
    private static final int MAX_CHARS = SemanticCache.MAX_TEXT_CHARS;

    private final ReentrantLock lock = new ReentrantLock();
    private final LinkedHashMap<String, Embedding> memory;

    MemoisingEmbedder(Embedder embedder, int maximumTexts) {
        super(embedder);
        if (maximumTexts < 1) {
            throw new IllegalArgumentException("maximumTexts must be at least 1, got " + maximumTexts);
        }
        this.memory = new LinkedHashMap<>(16, 0.75f, true) {
            @Override
            protected boolean removeEldestEntry(Map.Entry<String, Embedding> eldest) {
                return size() > maximumTexts;
            }
        };
    }

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        List<@Nullable Embedding> known = new ArrayList<>(texts.size());
        List<String> unknown = new ArrayList<>();
        for (String text : texts) {
            Embedding embedding = remembered(text);
            known.add(embedding);
            if (embedding == null) {
                unknown.add(text);
            }
        }
        if (unknown.isEmpty()) {
            return CompletableFuture.completedStage(merged(known, List.of()));
        }
        return embedder.embed(unknown).thenApply(fresh -> {
            if (fresh.size() != unknown.size()) {
                throw new IllegalStateException("asked for " + unknown.size() + " embeddings, got " + fresh.size());
            }
            for (int i = 0; i < unknown.size(); i++) {
                remember(unknown.get(i), fresh.get(i));
            }
            return merged(known, fresh);
        });
    }

    private static List<Embedding> merged(List<@Nullable Embedding> known, List<Embedding> fresh) {
        List<Embedding> all = new ArrayList<>(known.size());
        int next = 0;
        for (Embedding embedding : known) {
            all.add(embedding == null ? fresh.get(next++) : embedding);
        }
        return all;
    }

    private @Nullable Embedding remembered(String text) {
        lock.lock();
        try {
            return memory.get(text);
        } finally {
            lock.unlock();
        }
    }

    private void remember(String text, Embedding embedding) {
        if (text.length() > MAX_CHARS) {
            return;
        }
        lock.lock();
        try {
            memory.put(text, embedding);
        } finally {
            lock.unlock();
        }
    }
}
