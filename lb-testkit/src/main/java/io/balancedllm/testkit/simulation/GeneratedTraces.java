/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.CallOptions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.LongStream;

/**
 * Traces that need no file, each with one property of real traffic on its own. The same arguments give the same trace.
 *
 * <table>
 * <caption>The names</caption>
 * <tr><th>name<th>what it is
 * <tr><td>tenants<td>200 tenants, popular as Zipf's law has it, each with a long prompt of its own before all its
 *     conversations
 * <tr><td>sharedPrefix<td>one prompt of the system before everything: a prefix that tells nobody apart
 * <tr><td>uniquePrompts<td>nothing in common, and lengths that differ a hundredfold
 * <tr><td>agentLoops<td>tasks whose context grows step by step, each step asked soon after the one before
 * </table>
 */
public final class GeneratedTraces {
    /** Requests when nothing else is said. */
    public static final int DEFAULT_REQUESTS = 4_000;

    /** Requests a second, about: rates are scaled anyway, and users pause as long as users do. */
    private static final double RATE = 10;

    private static final int TENANTS = 200;
    private static final int SHARED_BLOCKS = 8;
    private static final double TURNS = 4;
    private static final double TURN_SECONDS = 20;
    private static final double STEPS = 12;
    private static final double STEP_SECONDS = 4;

    private static final Map<String, Source> BY_NAME = new LinkedHashMap<>();

    static {
        BY_NAME.put("tenants", GeneratedTraces::tenants);
        BY_NAME.put("sharedPrefix", GeneratedTraces::sharedPrefix);
        BY_NAME.put("uniquePrompts", GeneratedTraces::uniquePrompts);
        BY_NAME.put("agentLoops", GeneratedTraces::agentLoops);
    }

    private final SplittableRandom random;
    private final List<TraceRequest> requests = new ArrayList<>();
    private long nextBlock;

    private GeneratedTraces(long seed) {
        random = new SplittableRandom(seed);
    }

    private interface Source {
        void generate(GeneratedTraces into, int requests);
    }

    /** {@return the names that {@link #named} knows; unmodifiable} */
    public static List<String> names() {
        return List.copyOf(BY_NAME.keySet());
    }

    /**
     * {@return a trace}
     *
     * @param name one of {@link #names()}
     * @param requests how many, at least 1
     * @param seed of all chance
     * @throws IllegalArgumentException if no trace has this name; the message lists those there are
     */
    public static Trace named(String name, int requests, long seed) {
        Source source = BY_NAME.get(name);
        if (source == null) {
            throw new IllegalArgumentException(
                    "no generated trace is named \"" + name + "\"; there are " + String.join(", ", names()));
        }
        if (requests < 1) {
            throw new IllegalArgumentException("requests must be at least 1, got " + requests);
        }
        GeneratedTraces into = new GeneratedTraces(seed);
        source.generate(into, requests);
        return into.trace(requests);
    }

    private Trace trace(int count) {
        requests.sort(Comparator.comparingDouble(TraceRequest::arrivalSeconds));
        double first = requests.get(0).arrivalSeconds();
        return Trace.of(requests.stream()
                .limit(count)
                .map(request -> new TraceRequest(
                        request.arrivalSeconds() - first,
                        request.prompt(),
                        request.outputTokens(),
                        request.options(),
                        request.thinkSeconds()))
                .toList());
    }

    private void tenants(int count) {
        List<List<Long>> systemPrompts = new ArrayList<>();
        double[] shares = new double[TENANTS];
        double all = 0;
        for (int i = 0; i < TENANTS; i++) {
            systemPrompts.add(fresh(2 + random.nextInt(24)));
            all += 1.0 / (i + 1);
            shares[i] = all;
        }
        double at = 0;
        for (int session = 0; requests.size() < count; session++) {
            at += exponential(TURNS / RATE);
            double draw = random.nextDouble() * all;
            int tenant = 0;
            while (shares[tenant] < draw) {
                tenant++;
            }
            CallOptions options = CallOptions.builder()
                    .tenant("tenant-" + tenant)
                    .session("session-" + session)
                    .build();
            conversation(at, options, systemPrompts.get(tenant), TURNS, TURN_SECONDS, 2, 180);
        }
    }

    private void agentLoops(int count) {
        List<Long> tools = fresh(10);
        double at = 0;
        for (int task = 0; requests.size() < count; task++) {
            at += exponential(STEPS / RATE);
            CallOptions options = CallOptions.builder().session("task-" + task).build();
            conversation(at, options, tools, STEPS, STEP_SECONDS, 3, 120);
        }
    }

    private void sharedPrefix(int count) {
        List<Long> prefix = fresh(SHARED_BLOCKS);
        double at = 0;
        while (requests.size() < count) {
            at += exponential(1 / RATE);
            List<Long> blocks = new ArrayList<>(prefix);
            blocks.addAll(fresh(random.nextInt(6)));
            add(at, CallOptions.DEFAULT, blocks, 150, 0);
        }
    }

    private void uniquePrompts(int count) {
        double at = 0;
        while (requests.size() < count) {
            at += exponential(1 / RATE);
            add(at, CallOptions.DEFAULT, fresh((int) Math.min(100, exponential(4) * exponential(1))), 200, 0);
        }
    }

    /** Turns that each bring the blocks before and some more, that of the answer included. */
    private void conversation(
            double start,
            CallOptions options,
            List<Long> prefix,
            double turns,
            double pause,
            double moreBlocks,
            double output) {
        List<Long> blocks = new ArrayList<>(prefix);
        double at = start;
        double think = 0;
        do {
            blocks.addAll(fresh((int) exponential(moreBlocks)));
            add(at, options, blocks, output, think);
            think = exponential(pause);
            at += think;
        } while (random.nextDouble() > 1 / turns);
    }

    private void add(double at, CallOptions options, List<Long> blocks, double output, double think) {
        int tokens =
                blocks.size() * SimulatedPrompt.BLOCK_TOKENS + 1 + random.nextInt(SimulatedPrompt.BLOCK_TOKENS - 1);
        requests.add(new TraceRequest(
                at, new SimulatedPrompt(tokens, blocks), 1 + (int) exponential(output), options, think));
    }

    private List<Long> fresh(int blocks) {
        long from = nextBlock;
        nextBlock += blocks;
        return LongStream.range(from, nextBlock).boxed().toList();
    }

    private double exponential(double mean) {
        return -Math.log(1 - random.nextDouble()) * mean;
    }
}
