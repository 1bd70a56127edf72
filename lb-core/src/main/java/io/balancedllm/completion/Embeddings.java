/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Vectors of texts, one per input, in the order of the inputs. Immutable and thread-safe. */
public final class Embeddings {
    private final @Nullable String model;
    private final List<float[]> vectors;
    private final @Nullable Usage usage;
    private final Map<String, @Nullable Object> extra;
    private final @Nullable DecisionRecord decision;

    /** Vectors of this model; the arrays are taken over, not copied. */
    public Embeddings(
            @Nullable String model,
            List<float[]> vectors,
            @Nullable Usage usage,
            Map<String, ? extends @Nullable Object> extra) {
        this(model, List.copyOf(vectors), usage, JsonValues.copyOf("extra", extra), null);
    }

    private Embeddings(
            @Nullable String model,
            List<float[]> vectors,
            @Nullable Usage usage,
            Map<String, @Nullable Object> extra,
            @Nullable DecisionRecord decision) {
        this.model = model;
        this.vectors = vectors;
        this.usage = usage;
        this.extra = extra;
        this.decision = decision;
    }

    /** {@return these vectors, with who served them} */
    public Embeddings withDecision(DecisionRecord decision) {
        return new Embeddings(model, vectors, usage, extra, decision);
    }

    /** {@return the model that answered} */
    public Optional<String> model() {
        return Optional.ofNullable(model);
    }

    /** {@return the vectors; the arrays are shared, do not write to them} */
    public List<float[]> vectors() {
        return vectors;
    }

    /** {@return what they cost, when the engine says} */
    public Optional<Usage> usage() {
        return Optional.ofNullable(usage);
    }

    /** {@return what the wire carried beside these} */
    public Map<String, @Nullable Object> extra() {
        return extra;
    }

    /** {@return who served them and why; empty on vectors that did not come from a balancer} */
    public Optional<DecisionRecord> decision() {
        return Optional.ofNullable(decision);
    }

    @Override
    public String toString() {
        return "Embeddings{model=" + model + ", vectors=" + vectors.size() + "}";
    }
}
