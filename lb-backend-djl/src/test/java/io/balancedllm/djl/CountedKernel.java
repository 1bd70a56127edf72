/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.ArrayList;
import java.util.List;

/** A kernel that counts the caches and blocks that are open, and fails when it is told to. */
final class CountedKernel extends KernelDecorator {
    /** What can fail. */
    enum Operation {
        SAVE,
        APPEND,
        STEP
    }

    /** Caches and blocks that are open, of all kernels that share this. */
    static final class Books {
        int caches;
        int blocks;
    }

    final Books books;
    /** Steps with these many tokens or more are what {@link Operation#STEP} counts. */
    int leastTokens = 1;

    Runnable duringStep = () -> {};
    private Operation failing = Operation.STEP;
    private int passing;
    private int failures;

    CountedKernel(Kernel kernel, Books books) {
        super("counted", kernel);
        this.books = books;
    }

    /** Fails so many times from now on, after so many that go well. */
    void fail(Operation operation, int after, int times) {
        failing = operation;
        passing = after;
        failures = times;
    }

    private void check(Operation operation) {
        if (operation != failing || failures == 0) {
            return;
        }
        if (passing > 0) {
            passing--;
            return;
        }
        failures--;
        throw new OutOfMemoryError("for the test");
    }

    @Override
    public KvCache allocate(int tokens) {
        books.caches++;
        return new Cache(kernel.allocate(tokens));
    }

    @Override
    public float[][] step(List<Slice> slices) {
        duringStep.run();
        List<Slice> own = new ArrayList<>();
        int tokens = 0;
        for (Slice slice : slices) {
            own.add(new Slice(((Cache) slice.cache()).cache, slice.tokens(), slice.wanted(), slice.states()));
            tokens += slice.tokens().length;
        }
        if (tokens >= leastTokens) {
            check(Operation.STEP);
        }
        return kernel.step(own);
    }

    @Override
    public Kernel replica() {
        return new CountedKernel(kernel.replica(), books);
    }

    private final class Cache implements KvCache {
        private final KvCache cache;
        private boolean closed;

        Cache(KvCache cache) {
            this.cache = cache;
        }

        @Override
        public int length() {
            return cache.length();
        }

        @Override
        public void truncate(int tokens) {
            cache.truncate(tokens);
        }

        @Override
        public KvBlock save(int from, int tokens) {
            check(Operation.SAVE);
            books.blocks++;
            return new Block(cache.save(from, tokens), books);
        }

        @Override
        public void append(KvBlock block) {
            check(Operation.APPEND);
            cache.append(((Block) block).block);
        }

        @Override
        public void close() {
            if (closed) {
                throw new IllegalStateException("closed twice");
            }
            closed = true;
            books.caches--;
            cache.close();
        }
    }

    private static final class Block implements KvBlock {
        private final KvBlock block;
        private final Books books;
        private boolean closed;

        Block(KvBlock block, Books books) {
            this.block = block;
            this.books = books;
        }

        @Override
        public int tokens() {
            return block.tokens();
        }

        @Override
        public float[] floats() {
            return block.floats();
        }

        @Override
        public void close() {
            if (closed) {
                throw new IllegalStateException("closed twice");
            }
            closed = true;
            books.blocks--;
            block.close();
        }
    }
}
