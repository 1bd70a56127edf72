/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.time.Ticker;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a builder has been told of a backend, and how that becomes one. Not thread-safe. */
final class Gpt2Settings {
    private final @Nullable Path directory;

    @Nullable
    String modelName;

    int maxSequences = Gpt2Backend.DEFAULT_MAX_SEQUENCES;
    int queueLimit = Gpt2Backend.DEFAULT_QUEUE_LIMIT;

    @Nullable
    Integer kvTokens;

    @Nullable
    Long kvBytes;

    double promptStretch = Gpt2Backend.DEFAULT_PROMPT_STRETCH;
    KernelOptions kernel = KernelOptions.DEFAULT;
    /** Devices the layers are split over, none for the one of the kernel. */
    List<String> stages = List.of();

    @Nullable
    String prefillDevice;

    Gpt2Settings(@Nullable Path directory) {
        this.directory = directory;
    }

    /** {@return the name requests use for the model} */
    String name() {
        String name = modelName;
        if (name != null) {
            return name;
        }
        return directory == null
                ? Gpt2Backend.BUILT_IN_MODEL
                : directory.toAbsolutePath().normalize().getFileName().toString();
    }

    /** {@return the model, on its device or devices} */
    Gpt2Model load() {
        return Gpt2Model.load(files(), name(), kernel, stages);
    }

    private ModelFiles files() {
        return directory == null ? ModelFiles.builtIn() : ModelFiles.directory(directory);
    }

    /** Serves a model, which it takes over, with an engine that is not started. */
    Gpt2Backend over(Gpt2Model model, Ticker ticker) {
        try {
            Gpt2Backend backend = new Gpt2Backend(name(), model, engineOptions(model), ticker);
            String other = prefillDevice;
            if (other != null) {
                boolean same = other.equals(kernel.device()) && stages.isEmpty();
                Gpt2Model prefilling = same ? model.replica() : Gpt2Model.load(files(), name(), kernel.device(other));
                backend.engine().splitOff(new Prefiller(prefilling, same, Gpt2Backend.STEP_TOKENS, ticker));
            }
            return backend;
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    private EngineOptions engineOptions(Gpt2Model model) {
        int context = model.contextLength();
        long tokens = (long) maxSequences * context;
        String from = "kvTokens";
        Integer givenTokens = kvTokens;
        Long givenBytes = kvBytes;
        if (givenTokens != null) {
            tokens = givenTokens;
        } else if (givenBytes != null) {
            tokens = givenBytes / model.kernel().kvBytesPerToken();
            from = "kvBytes, at " + model.kernel().kvBytesPerToken() + " bytes a token,";
        }
        if (tokens < context || tokens > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(from + " must be at least the model's context of " + context
                    + " tokens and at most " + Integer.MAX_VALUE + ", got " + tokens);
        }
        int stepTokens =
                Double.isInfinite(promptStretch) ? Math.max(context, Gpt2Backend.STEP_TOKENS) : Gpt2Backend.STEP_TOKENS;
        return new EngineOptions(maxSequences, queueLimit, (int) tokens, stepTokens, promptStretch);
    }
}
