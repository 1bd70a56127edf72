/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Some layers' program and weights in PyTorch's memory, shared by all kernels that compute with them and freed with the
 * last. Each tensor is read from its file into memory of PyTorch, packed or turned over, and let go of, so loading takes
 * the room of one tensor beside what stays. Safe for concurrent use once made.
 */
final class ScriptWeights {
    final Gpt2Config config;
    final LayerRange range;
    final ScriptLinears linears;
    final TorchRuntime.Place place;
    final IValue vectors;
    final IValue matrices;
    /** A tensor of the type and on the device of all. */
    final IValue sample;

    private final PtNDManager manager;
    private final PtSymbolBlock program;
    private int users = 1;

    /**
     * Loads weights.
     *
     * @throws EngineException where PyTorch lacks an operation or has too little memory
     */
    ScriptWeights(
            Gpt2Config config,
            Checkpoint checkpoint,
            LayerRange range,
            ScriptLinears linears,
            TorchRuntime.Place place) {
        this.config = config;
        this.range = range;
        this.linears = linears;
        this.place = place;
        manager = TorchRuntime.open(place);
        try (Loader loader = new Loader(checkpoint)) {
            ScriptSource source = new ScriptSource(config, range, linears);
            program = compile(manager, source);
            loader.load(program, source.turnedTable());
            vectors = loader.vectors();
            sample = IValue.from(loader.sample());
            matrices = loader.matrices();
        } catch (RuntimeException e) {
            manager.close();
            throw e;
        }
    }

    PtNDManager manager() {
        return manager;
    }

    /** Runs a method of the program. */
    IValue run(String method, IValue... arguments) {
        return IValueUtils.runMethod(program, method, arguments);
    }

    synchronized ScriptWeights share() {
        if (users == 0) {
            throw new IllegalStateException("the kernel is closed");
        }
        users++;
        return this;
    }

    /** Takes back one share. */
    synchronized void release() {
        users--;
        if (users == 0) {
            vectors.close();
            matrices.close();
            sample.close();
            manager.close();
        }
    }

    private static PtSymbolBlock compile(PtNDManager manager, ScriptSource source) {
        byte[] archive = ScriptArchive.build(ScriptSource.TYPE, source.text());
        try {
            return JniUtils.loadModule(manager, new ByteArrayInputStream(archive), false, false);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Reads and packs tensors one by one. */
    private final class Loader implements AutoCloseable {
        private final Checkpoint checkpoint;
        private final List<PtNDArray> vectors = new ArrayList<>();
        private final List<IValue> matrices = new ArrayList<>();
        private final List<IValue> output = new ArrayList<>();

        Loader(Checkpoint checkpoint) {
            this.checkpoint = checkpoint;
        }

        void load(PtSymbolBlock program, boolean turnedTable) {
            PtNDArray unused = place(program, (PtNDArray) manager.zeros(new Shape(1), DataType.FLOAT32));
            PtNDArray table = range.first() ? array(program, "wte.weight") : unused;
            if (range.last()) {
                boolean shared = range.first() && config.tiedOutput();
                PtNDArray weight = shared ? table : array(program, checkpoint.output());
                if (linears.packed()) {
                    output.add(pack(program, weight, null, false));
                }
                if (linears.plain()) {
                    boolean wide = ScriptLinears.wide(config.width(), config.vocabularySize());
                    output.add(lay(program, weight, wide));
                }
                if (!shared) {
                    weight.close();
                } else if (turnedTable) {
                    weight.close();
                    table = output.get(output.size() - 1).toTensor(manager);
                }
            }
            vectors.add(table);
            vectors.add(range.first() ? array(program, "wpe.weight") : unused);
            vectors.add(range.last() ? array(program, "ln_f.weight") : unused);
            vectors.add(range.last() ? array(program, "ln_f.bias") : unused);
            for (int layer = range.from(); layer < range.to(); layer++) {
                loadLayer(program, "h." + layer + ".");
            }
        }

        IValue vectors() {
            return IValue.listFrom(vectors.toArray(PtNDArray[]::new));
        }

        IValue matrices() {
            IValue[] all = Stream.concat(matrices.stream(), output.stream()).toArray(IValue[]::new);
            return linears == ScriptLinears.HALF ? IValue.listFrom(all) : tensors(all);
        }

        PtNDArray sample() {
            return vectors.get(2);
        }

        /** Lets go of the handles; the lists made of them keep the memory. */
        @Override
        public void close() {
            matrices.forEach(IValue::close);
            output.forEach(IValue::close);
            Set.copyOf(vectors).forEach(PtNDArray::close);
        }

        private IValue tensors(IValue[] all) {
            PtNDArray[] arrays =
                    Arrays.stream(all).map(matrix -> matrix.toTensor(manager)).toArray(PtNDArray[]::new);
            IValue list = IValue.listFrom(arrays);
            for (PtNDArray array : arrays) {
                array.close();
            }
            return list;
        }

        private void loadLayer(PtSymbolBlock program, String prefix) {
            List<String> norms = List.of("ln_1", "ln_2");
            List<List<String>> names =
                    List.of(List.of("attn.c_attn", "attn.c_proj"), List.of("mlp.c_fc", "mlp.c_proj"));
            for (int half = 0; half < norms.size(); half++) {
                vectors.add(array(program, prefix + norms.get(half) + ".weight"));
                vectors.add(array(program, prefix + norms.get(half) + ".bias"));
                for (String name : names.get(half)) {
                    PtNDArray bias = array(program, prefix + name + ".bias");
                    vectors.add(bias);
                    Tensor matrix = checkpoint.tensor(prefix + name + ".weight");
                    boolean wide = ScriptLinears.wide((int) matrix.shape()[0], (int) matrix.shape()[1]);
                    try (PtNDArray weight = array(program, matrix)) {
                        if (linears.packed()) {
                            matrices.add(pack(program, weight, bias, true));
                        }
                        if (linears.plain()) {
                            matrices.add(lay(program, weight, !wide));
                        }
                    }
                }
            }
        }

        private IValue pack(PtSymbolBlock program, PtNDArray weight, @Nullable PtNDArray bias, boolean turned) {
            PtNDArray added = bias == null
                    ? place(program, (PtNDArray) manager.zeros(new Shape(config.vocabularySize()), DataType.FLOAT32))
                    : bias;
            try (IValue matrix = IValue.from(weight);
                    IValue addend = IValue.from(added);
                    IValue orientation = IValue.from(turned)) {
                return IValueUtils.runMethod(program, "pack", matrix, addend, orientation);
            } finally {
                if (bias == null) {
                    added.close();
                }
            }
        }

        private IValue lay(PtSymbolBlock program, PtNDArray weight, boolean turned) {
            try (IValue matrix = IValue.from(weight);
                    IValue orientation = IValue.from(turned)) {
                return IValueUtils.runMethod(program, "lay", matrix, orientation);
            }
        }

        private PtNDArray array(PtSymbolBlock program, String name) {
            return array(program, checkpoint.tensor(name));
        }

        private PtNDArray array(PtSymbolBlock program, Tensor tensor) {
            PtNDArray array = JniUtils.createEmptyNdArray(
                    manager, new Shape(tensor.shape()), DataType.FLOAT32, Device.cpu(), SparseFormat.DENSE);
            tensor.readInto(JniUtils.getByteBuffer(array, true)
                    .order(ByteOrder.nativeOrder())
                    .asFloatBuffer());
            return place(program, array);
        }

        /** Moves fp32 numbers in main memory to where and to what they are computed with. */
        private PtNDArray place(PtSymbolBlock program, PtNDArray array) {
            if (place.plain()) {
                return array;
            }
            try (PtNDArray moved = array.toDevice(place.device(), true);
                    IValue values = IValue.from(moved);
                    IValue type = IValue.from(place.scalarType());
                    IValue cast = IValueUtils.runMethod(program, "cast", values, type)) {
                return cast.toTensor(manager);
            } finally {
                array.close();
            }
        }
    }
}
