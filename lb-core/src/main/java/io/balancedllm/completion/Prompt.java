/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What is to be completed: a conversation, or a plain prompt as text or token ids. Immutable. */
public sealed interface Prompt {
    /** {@return the operation that completes a prompt of this form} */
    default Operation operation() {
        return Operation.TEXT;
    }

    /**
     * A conversation.
     *
     * @param messages the messages, oldest first; never empty
     */
    record Chat(List<Message> messages) implements Prompt {
        /** Copies the list, refuses an empty one. */
        public Chat {
            messages = List.copyOf(messages);
            if (messages.isEmpty()) {
                throw new IllegalArgumentException("messages must not be empty");
            }
        }

        @Override
        public Operation operation() {
            return Operation.CHAT;
        }
    }

    /**
     * One plain text.
     *
     * @param text the text to continue
     */
    record Text(String text) implements Prompt {}

    /**
     * Several plain texts, each completed on its own; the choices of all are numbered through.
     *
     * @param texts the texts; never empty
     */
    record Texts(List<String> texts) implements Prompt {
        /** Copies the list, refuses an empty one. */
        public Texts {
            texts = List.copyOf(texts);
            if (texts.isEmpty()) {
                throw new IllegalArgumentException("prompt must not be an empty list");
            }
        }
    }

    /**
     * One or more prompts as ids of the model's own vocabulary.
     *
     * @param sequences one array of ids per prompt; never empty
     * @param single whether the wire form is one flat array ({@code sequences} then has one element)
     */
    record Tokens(List<int[]> sequences, boolean single) implements Prompt {
        /** Copies the arrays, refuses an empty list. */
        public Tokens {
            if (sequences.isEmpty() || (single && sequences.size() != 1)) {
                throw new IllegalArgumentException(
                        "a token prompt has at least one sequence, a single one exactly one");
            }
            sequences = sequences.stream().map(int[]::clone).toList();
        }

        /** One prompt. */
        public Tokens(int... ids) {
            this(List.of(ids), true);
        }

        /** {@return copies of the arrays} */
        @Override
        public List<int[]> sequences() {
            return sequences.stream().map(int[]::clone).toList();
        }

        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Tokens that
                    && single == that.single
                    && Arrays.deepEquals(sequences.toArray(), that.sequences.toArray());
        }

        @Override
        public int hashCode() {
            return Arrays.deepHashCode(sequences.toArray());
        }

        @Override
        public String toString() {
            return "Tokens" + Arrays.deepToString(sequences.toArray());
        }
    }
}
