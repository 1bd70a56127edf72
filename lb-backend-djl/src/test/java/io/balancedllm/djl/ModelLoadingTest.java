/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelLoadingTest {
    @TempDir
    Path directory;

    @BeforeEach
    void copyModel() throws IOException {
        copy("gpt2-tiny-a");
    }

    @ParameterizedTest
    @CsvSource({
        "model_type, \"llama\", model_type llama",
        "architectures, '[\"LlamaForCausalLM\"]', GPT2LMHeadModel",
        "add_cross_attention, true, add_cross_attention",
        "activation_function, \"silu\", activation_function silu",
        "quantization_config, '{\"bits\":4}', quantization_config",
        "pruned_heads, '{\"0\":[1]}', pruned_heads",
        "n_head, 5, not a multiple of n_head 5",
        "n_head, 0, n_head is 0",
        "n_layer, \"3\", n_layer is",
        "n_embd, 99999999999, n_embd is",
        "layer_norm_epsilon, 0, layer_norm_epsilon",
        "scale_attn_weights, 1, scale_attn_weights is 1",
        "n_embd, 32, has shape",
        "n_inner, 128, has shape",
        "n_layer, 2, is no part of",
        "n_layer, 4, tensor h.3.",
        "vocab_size, 500, less than the tokenizer's 512",
        "tie_word_embeddings, false, lm_head.weight is missing"
    })
    void aConfigurationThatCannotBeComputedFaithfullyIsRefusedByName(String key, String value, String message)
            throws IOException {
        set(key, value);
        assertThatThrownBy(() -> Gpt2Model.load(directory))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining(directory.toString())
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource({
        "attn_pdrop, 0.5",
        "reorder_and_upcast_attn, true",
        "n_inner, 256",
        "tie_word_embeddings, true",
        "task_specific_params, '{\"a\":1}'",
        "activation_function, \"gelu_pytorch_tanh\""
    })
    void whatCannotChangeTheNumbersIsAccepted(String key, String value) throws IOException {
        set(key, value);
        try (Gpt2Model changed = Gpt2Model.load(directory);
                Gpt2Model original = Gpt2Model.load(Golden.path("gpt2-tiny-a"))) {
            assertThat(changed.logits(new int[] {1, 2})).containsExactly(original.logits(new int[] {1, 2}));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"config.json", "model.safetensors"})
    void halfADirectoryIsRefusedWithWhatIsMissing(String file) throws IOException {
        Files.delete(directory.resolve(file));
        assertThatThrownBy(() -> Gpt2Model.load(directory))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining(file)
                .hasMessageContaining("does not exist");
    }

    @Test
    void aMissingShardAndAMissingDirectoryAreNamed() throws IOException {
        copy("gpt2-tiny-c");
        Files.delete(directory.resolve("model-00002-of-00002.safetensors"));
        assertThatThrownBy(() -> Gpt2Model.load(directory)).hasMessageContaining("model-00002-of-00002.safetensors");
        assertThatThrownBy(() -> Gpt2Model.load(directory.resolve("none")))
                .hasMessageContaining("none is not a directory");
    }

    @Test
    void aTruncatedFileIsRefused() throws IOException {
        Path file = directory.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length - 100));
        assertThatThrownBy(() -> Gpt2Model.load(directory))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("outside of");
    }

    @Test
    void aShardOutsideOfTheDirectoryIsRefused() throws IOException {
        Files.writeString(
                directory.resolve("model.safetensors.index.json"), "{\"weight_map\":{\"wte.weight\":\"../x\"}}");
        assertThatThrownBy(() -> Gpt2Model.load(directory)).hasMessageContaining("outside of the directory");
    }

    @Test
    void theOnlySafetensorsFileIsTakenUnderAnyName() throws IOException {
        Files.move(directory.resolve("model.safetensors"), directory.resolve("model.fp16.safetensors"));
        try (Gpt2Model model = Gpt2Model.load(directory)) {
            assertThat(model.contextLength()).isEqualTo(128);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"PLAIN_JAVA", "SCRIPT", "ONE_DNN", "HALF_WEIGHTS"})
    void aLoadedModelDoesNotCareWhatBecomesOfItsFiles(KernelChoice kernel) throws IOException {
        Path file = directory.resolve("model.safetensors");
        try (Gpt2Model model =
                Gpt2Model.load(ModelFiles.directory(directory), "model", KernelOptions.DEFAULT.choice(kernel))) {
            float[] before = model.logits(new int[] {1, 2, 3});
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(100);
            }
            assertThat(model.logits(new int[] {1, 2, 3})).containsExactly(before);
        }
    }

    @Test
    void theBuiltInModelSpeaksWithoutAnyFile() {
        try (Gpt2Model story = Gpt2Model.builtIn()) {
            int[] prompt = story.encode("Once upon a time");
            assertThat(story.decode(story.greedy(prompt, 20))).startsWith(", ").contains(" named ");
        }
    }

    private void copy(String model) throws IOException {
        try (var old = Files.list(directory)) {
            for (Path file : old.toList()) {
                Files.delete(file);
            }
        }
        try (var files = Files.list(Golden.path(model))) {
            for (Path file : files.toList()) {
                Files.copy(file, directory.resolve(file.getFileName()));
            }
        }
    }

    private void set(String key, String value) throws IOException {
        Path config = directory.resolve("config.json");
        ObjectNode json = (ObjectNode) ModelFiles.directory(directory).json("config.json");
        Files.writeString(config, json.without(key).toString().replaceFirst("\\{", "{\"" + key + "\":" + value + ","));
    }
}
