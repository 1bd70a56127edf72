/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.djl.KernelBenchmark;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodType;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;

/**
 * llama.cpp on the same weights in fp32, through {@code de.kherud:llama}, which is on the class path only where the profile
 * {@code llama} was built with: hence by reflection. It tells no time of a step: a step is what 63 more tokens take.
 */
final class LlamaCpp implements KernelBenchmark.Contender {
    private static final String PACKAGE = "de.kherud.llama.";
    private static final int PROMPT = 32;
    private static final int BATCH_TOKENS = 512;
    private static final long SEED = 7;

    private final Ticker ticker = Ticker.system();
    private final SplittableRandom random = new SplittableRandom(SEED);
    private final ExecutorService callers;
    private final Path file;
    private final AutoCloseable model;

    /**
     * Loads llama.cpp's copy of a model.
     *
     * @param slots how many sequences at most are decoded at a time
     * @throws UnsatisfiedLinkError where the binding has no library for this platform
     */
    LlamaCpp(KernelBenchmark benchmark, int threads, int slots) throws IOException {
        file = Files.createTempFile("lb-llama", ".gguf");
        callers = Executors.newFixedThreadPool(slots);
        try {
            benchmark.writeGguf(file);
            Object parameters = type("ModelParameters").getConstructor().newInstance();
            set(parameters, "setModel", file.toString());
            set(parameters, "setThreads", threads);
            set(parameters, "setThreadsBatch", threads);
            set(parameters, "setParallel", slots);
            set(parameters, "setCtxSize", slots * benchmark.contextLength());
            set(parameters, "setBatchSize", BATCH_TOKENS);
            parameters.getClass().getMethod("disableContextShift").invoke(parameters);
            parameters.getClass().getMethod("disableLog").invoke(parameters);
            model = (AutoCloseable)
                    type("LlamaModel").getConstructor(parameters.getClass()).newInstance(parameters);
        } catch (ReflectiveOperationException e) {
            release();
            throw failure(e);
        } catch (IOException | RuntimeException e) {
            release();
            throw e;
        }
    }

    /** {@return whether this program was built with it} */
    static boolean isPresent() {
        try {
            Class.forName(PACKAGE + "LlamaModel", false, LlamaCpp.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    @Override
    public String name() {
        return "llama.cpp F32";
    }

    @Override
    public boolean onHeap() {
        return false;
    }

    @Override
    public int weightBytes() {
        return Float.BYTES;
    }

    @Override
    public double prompt(int tokens) {
        return nanos(List.of(letters(tokens)), 1);
    }

    @Override
    public List<Double> steps(int batch, int tokens, long nanos) {
        List<Double> steps = new ArrayList<>();
        double measured = 0;
        do {
            List<String> prompts = new ArrayList<>();
            for (int i = 0; i < batch; i++) {
                prompts.add(letters(PROMPT - i % PROMPT));
            }
            double one = nanos(prompts, 1);
            double all = nanos(prompts, 1 + tokens);
            steps.add((all - one) / tokens);
            measured += one + all;
        } while (measured < nanos);
        return steps;
    }

    @Override
    public void close() {
        try {
            model.close();
        } catch (Exception e) {
            throw new IllegalStateException("llama.cpp does not close", e);
        } finally {
            release();
        }
    }

    private double nanos(List<String> prompts, int tokens) {
        long start = ticker.nanos();
        List<CompletableFuture<Void>> calls = new ArrayList<>();
        for (String prompt : prompts) {
            calls.add(CompletableFuture.runAsync(() -> complete(prompt, tokens), callers));
        }
        calls.forEach(CompletableFuture::join);
        return ticker.nanos() - start;
    }

    private void complete(String prompt, int tokens) {
        try {
            Object call =
                    type("InferenceParameters").getConstructor(String.class).newInstance(prompt);
            set(call, "setNPredict", tokens);
            set(call, "setIgnoreEos", true);
            set(call, "setTemperature", 0f);
            set(call, "setCachePrompt", false);
            model.getClass().getMethod("complete", call.getClass()).invoke(model, call);
        } catch (ReflectiveOperationException e) {
            throw failure(e);
        }
    }

    /** Each letter is a token of the stand-in vocabulary. */
    private String letters(int count) {
        return random.ints(count, 'a', 'z' + 1).mapToObj(Character::toString).collect(Collectors.joining());
    }

    private void release() {
        callers.shutdown();
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Class<?> type(String name) throws ClassNotFoundException {
        return Class.forName(PACKAGE + name);
    }

    private static void set(Object parameters, String method, Object value) throws ReflectiveOperationException {
        Class<?> type = MethodType.methodType(value.getClass()).unwrap().returnType();
        parameters.getClass().getMethod(method, type).invoke(parameters, value);
    }

    private static RuntimeException failure(ReflectiveOperationException e) {
        Throwable cause = e instanceof InvocationTargetException ? e.getCause() : e;
        if (cause instanceof Error error) {
            throw error;
        }
        return new IllegalStateException("llama.cpp fails: " + cause, cause);
    }
}
