/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** The tensors of a training in PyTorch's memory, and the program that computes with them. One thread at a time. */
final class TrainingState implements AutoCloseable {
    /** Arrays of this name become one argument, a list. */
    private static final String WEIGHTS = "w[]";

    /** Behind the weights and both moments. */
    private static final int GRADIENTS = 3;

    private final Gpt2Config config;
    private final PtNDManager manager;
    private final PtSymbolBlock program;
    private final List<String> names;
    private final List<PtNDArray> weights = new ArrayList<>();
    private final List<PtNDArray> gradients = new ArrayList<>();
    private final List<PtNDArray> first = new ArrayList<>();
    private final List<PtNDArray> second = new ArrayList<>();
    private final List<IValue> lists = new ArrayList<>();

    /** Some texts of one length, padded. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Batch(long[] ids, long[] targets, int count, int length) {}

    /**
     * Allocates.
     *
     * @param shapes the tensors in the order of {@link TrainingSource}
     * @param values the first value of each weight
     */
    TrainingState(Gpt2Config config, int threads, Map<String, long[]> shapes, Function<String, float[]> values) {
        this.config = config;
        names = List.copyOf(shapes.keySet());
        manager = TorchRuntime.open(new TorchRuntime.Place(ai.djl.Device.cpu(), Precision.FP32, threads));
        try {
            byte[] archive = ScriptArchive.build(TrainingSource.TYPE, new TrainingSource(config).text());
            program = JniUtils.loadModule(manager, new ByteArrayInputStream(archive), false, false);
            shapes.forEach((name, dimensions) -> {
                Shape shape = new Shape(dimensions);
                PtNDArray weight = (PtNDArray) manager.create(values.apply(name), shape);
                weight.setName(WEIGHTS);
                weight.setRequiresGradient(true);
                weights.add(weight);
                first.add((PtNDArray) manager.zeros(shape));
                second.add((PtNDArray) manager.zeros(shape));
            });
            lists.add(list(weights));
            lists.add(list(first));
            lists.add(list(second));
        } catch (IOException e) {
            manager.close();
            throw new UncheckedIOException(e);
        } catch (RuntimeException e) {
            manager.close();
            throw e;
        }
    }

    /** {@return the mean loss of a batch} Adds its gradients to those of before. */
    double accumulate(Batch batch) {
        JniUtils.setGraphExecutorOptimize(false);
        try (NDManager step = manager.newSubManager();
                GradientCollector collector = manager.getEngine().newGradientCollector()) {
            NDArray loss = forward(step, batch, true);
            double value = loss.getFloat();
            if (Double.isFinite(value)) {
                collector.backward(loss);
            }
            if (lists.size() == GRADIENTS) {
                // Only now are they there; from here on PyTorch adds to them in place.
                weights.forEach(weight -> gradients.add(weight.getGradient()));
                lists.add(list(gradients));
            }
            return value;
        }
    }

    /** {@return the mean loss of a batch} Leaves the gradients alone. */
    double loss(Batch batch) {
        return TorchRuntime.computing(() -> {
            try (NDManager step = manager.newSubManager()) {
                return (double) forward(step, batch, false).getFloat();
            }
        });
    }

    /** {@return the logits behind each token of one text, one row after the other} */
    float[] logits(int[] ids) {
        return TorchRuntime.computing(() -> {
            try (NDManager step = manager.newSubManager();
                    IValue tokens = IValue.from((PtNDArray) step.create(widened(ids), new Shape(1, ids.length)));
                    IValue result = IValueUtils.runMethod(program, "logits", lists.get(0), tokens)) {
                return result.toTensor((PtNDManager) step).toFloatArray();
            }
        });
    }

    /**
     * {@return the global norm of the gradients} Moves the weights and empties the gradients.
     *
     * @param rates see {@link TrainingSource}
     */
    double update(double... rates) {
        return TorchRuntime.computing(() -> {
            try (NDManager step = manager.newSubManager();
                    IValue numbers = IValue.listFrom(rates);
                    IValue norm = IValueUtils.runMethod(
                            program,
                            "update",
                            lists.get(0),
                            lists.get(GRADIENTS),
                            lists.get(1),
                            lists.get(2),
                            numbers)) {
                return (double) norm.toTensor((PtNDManager) step).getFloat();
            }
        });
    }

    /** Adds the weights to a file. */
    void addWeights(SafetensorsWriter file, String prefix) {
        add(file, prefix, weights);
    }

    /** Adds the moments to a file. */
    void addMoments(SafetensorsWriter file, String firstPrefix, String secondPrefix) {
        add(file, firstPrefix, first);
        add(file, secondPrefix, second);
    }

    /** Takes the moments from where they are. */
    void readMoments(Function<String, float[]> values, String firstPrefix, String secondPrefix) {
        for (int i = 0; i < names.size(); i++) {
            first.get(i).set(values.apply(firstPrefix + names.get(i)));
            second.get(i).set(values.apply(secondPrefix + names.get(i)));
        }
    }

    /** {@return how many arrays live on outside of any step} */
    int managedArrays() {
        return manager.getManagedArrays().size();
    }

    Gpt2Config config() {
        return config;
    }

    @Override
    public void close() {
        lists.forEach(IValue::close);
        manager.close();
    }

    private static IValue list(List<PtNDArray> arrays) {
        return IValue.listFrom(arrays.toArray(PtNDArray[]::new));
    }

    private void add(SafetensorsWriter file, String prefix, List<PtNDArray> arrays) {
        for (int i = 0; i < names.size(); i++) {
            PtNDArray array = arrays.get(i);
            file.add(
                    prefix + names.get(i),
                    array.toFloatArray(),
                    array.getShape().getShape());
        }
    }

    private static long[] widened(int[] ids) {
        long[] wide = new long[ids.length];
        for (int i = 0; i < ids.length; i++) {
            wide[i] = ids[i];
        }
        return wide;
    }

    /** Only this way into a program can keep what gradients need: methods by name always run without. */
    private NDArray forward(NDManager step, Batch batch, boolean training) {
        Shape shape = new Shape(batch.count(), batch.length());
        NDList inputs = new NDList(weights.size() + 2);
        inputs.addAll(weights);
        inputs.add(step.create(batch.ids(), shape));
        inputs.add(step.create(batch.targets(), shape));
        NDArray loss = IValueUtils.forward(program, inputs, training).get(0);
        loss.attach(step);
        return loss;
    }
}
