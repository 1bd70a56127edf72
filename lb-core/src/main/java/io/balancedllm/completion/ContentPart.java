/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One part of a message whose content is more than a plain string. Immutable. */
public sealed interface ContentPart {
    /** {@return the text of this part, if it has one} */
    Optional<String> text();

    /**
     * Plain text.
     *
     * @param value the text
     */
    record Text(String value) implements ContentPart {
        @Override
        public Optional<String> text() {
            return Optional.of(value);
        }
    }

    /**
     * An image by reference or as a {@code data:} URL.
     *
     * @param url where the image is
     * @param detail how closely to look ({@code low}, {@code high}, {@code auto}), or null to leave it to the engine
     */
    record Image(String url, @Nullable String detail) implements ContentPart {
        @Override
        public Optional<String> text() {
            return Optional.empty();
        }
    }

    /**
     * A part in a form that has no type here (audio, files, engine extensions, text with cache marks), kept as it is.
     *
     * @param json the part as JSON values
     */
    record Raw(Map<String, @Nullable Object> json) implements ContentPart {
        /** Copies the map. */
        public Raw {
            json = JsonValues.copyOf("content part", json);
        }

        @Override
        public Optional<String> text() {
            return json.get("text") instanceof String text ? Optional.of(text) : Optional.empty();
        }
    }
}
