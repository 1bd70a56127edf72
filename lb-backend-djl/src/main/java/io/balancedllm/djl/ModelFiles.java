/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The files of one model, in a directory or inside this jar. Immutable and thread-safe. */
abstract class ModelFiles {
    /** Far above any real tokenizer.json (17 MB for a vocabulary of 250,000), far below what would hurt. */
    static final int MAX_JSON_BYTES = 64 << 20;

    private static final ObjectMapper JSON = new ObjectMapper(JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(32)
                    .maxStringLength(1 << 20)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build());

    /** {@return the files of a Hugging Face model directory} */
    static ModelFiles directory(Path directory) {
        if (!Files.isDirectory(directory)) {
            throw new InvalidModelException(
                    directory + " is not a directory: name the directory that holds config.json,"
                            + " the tokenizer and *.safetensors");
        }
        return new Directory(directory);
    }

    /** {@return the files of the story model in this jar} */
    static ModelFiles builtIn() {
        return new Resources();
    }

    abstract boolean contains(String name);

    /** {@return the names of the files that end so, sorted} */
    abstract List<String> endingWith(String suffix);

    /** {@return what the file is called in messages} */
    abstract String describe(String name);

    abstract Safetensors tensors(String name);

    abstract byte[] bytes(String name);

    JsonNode json(String name) {
        try {
            return JSON.readTree(bytes(name));
        } catch (JsonProcessingException e) {
            throw new InvalidModelException(
                    describe(name) + " is not valid JSON (" + e.getOriginalMessage() + "): fetch the file again", e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    InvalidModelException missing(String what) {
        return new InvalidModelException(
                describe(what) + " does not exist: the model directory is incomplete, fetch it again");
    }

    private static final class Directory extends ModelFiles {
        private final Path directory;

        Directory(Path directory) {
            this.directory = directory;
        }

        @Override
        boolean contains(String name) {
            return Files.isRegularFile(directory.resolve(name));
        }

        @Override
        List<String> endingWith(String suffix) {
            try (Stream<Path> files = Files.list(directory)) {
                return files.map(file -> file.getFileName().toString())
                        .filter(name -> name.endsWith(suffix))
                        .sorted()
                        .toList();
            } catch (IOException e) {
                throw new InvalidModelException(directory + " cannot be listed: " + e.getMessage(), e);
            }
        }

        @Override
        String describe(String name) {
            return directory.resolve(name).toString();
        }

        @Override
        Safetensors tensors(String name) {
            if (!contains(name)) {
                throw missing(name);
            }
            return Safetensors.open(directory.resolve(name));
        }

        @Override
        byte[] bytes(String name) {
            if (!contains(name)) {
                throw missing(name);
            }
            try (InputStream in = Files.newInputStream(directory.resolve(name))) {
                byte[] bytes = in.readNBytes(MAX_JSON_BYTES + 1);
                if (bytes.length > MAX_JSON_BYTES) {
                    throw new InvalidModelException(describe(name) + " is larger than " + MAX_JSON_BYTES
                            + " bytes: this is not the file of a GPT-2 model");
                }
                return bytes;
            } catch (IOException e) {
                throw new InvalidModelException(describe(name) + " cannot be read: " + e.getMessage(), e);
            }
        }
    }

    private static final class Resources extends ModelFiles {
        private static final List<String> NAMES =
                List.of("config.json", "model.fp16.safetensors", "tokenizer.json", "tokenizer_config.json");

        @Override
        boolean contains(String name) {
            return NAMES.contains(name);
        }

        @Override
        List<String> endingWith(String suffix) {
            return NAMES.stream().filter(name -> name.endsWith(suffix)).toList();
        }

        @Override
        String describe(String name) {
            return "built-in model file " + name;
        }

        @Override
        Safetensors tensors(String name) {
            return Safetensors.of(describe(name), ByteBuffer.wrap(bytes(name)));
        }

        @Override
        byte[] bytes(String name) {
            try (InputStream in = ModelFiles.class.getResourceAsStream("story/" + name)) {
                if (in == null) {
                    throw new InvalidModelException(
                            describe(name) + " is missing from the jar: build lb-backend-djl again");
                }
                return in.readAllBytes();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
