/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/** A kernel whose steps take a time by the rule on a clock moved by hand, and which keeps what it was fed. */
final class TimedKernel extends KernelDecorator {
    static final long BASE_NANOS = 10_000_000;
    static final long TOKEN_NANOS = 1_000_000;

    final List<List<Integer>> steps = new ArrayList<>();
    int allocations;
    int failingAllocations;
    /** What happens while a step takes its time. */
    LongConsumer passing;

    TimedKernel(Kernel kernel, AtomicLong now) {
        super("timed", kernel);
        passing = now::addAndGet;
    }

    /** {@return all tokens fed} */
    int fed() {
        return steps.stream().flatMap(List::stream).mapToInt(Integer::intValue).sum();
    }

    @Override
    public KvCache allocate(int tokens) {
        if (failingAllocations > 0) {
            failingAllocations--;
            throw new OutOfMemoryError("for the test");
        }
        allocations++;
        return kernel.allocate(tokens);
    }

    @Override
    public float[][] step(List<Slice> slices) {
        List<Integer> sizes =
                slices.stream().map(slice -> slice.tokens().length).toList();
        steps.add(sizes);
        passing.accept(BASE_NANOS
                + TOKEN_NANOS * sizes.stream().mapToInt(Integer::intValue).sum());
        return kernel.step(slices);
    }

    @Override
    public Kernel replica() {
        return kernel.replica(); // another thread has another clock
    }
}
