/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.OptionalInt;

/** Text to token ids and back. Implementations are thread-safe; the decoders they make are not. */
interface Tokenizer extends AutoCloseable {
    /** The only special token of GPT-2: it separates documents. */
    String END_OF_TEXT = "<|endoftext|>";

    /** {@return the ids of a text in which special tokens are ordinary characters: safe for text of users} */
    int[] encode(String text);

    /** {@return the ids of a text in which special tokens are parsed} */
    int[] encodeSpecial(String text);

    /** {@return a decoder of one sequence of ids; special tokens become text or are left out} */
    TextDecoder decoder(boolean skipSpecial);

    /** {@return one more than the greatest id} */
    int size();

    /** {@return the id of a special token} */
    OptionalInt special(String token);

    /** {@return an upper bound of the UTF-8 bytes one token stands for} */
    int longestToken();

    @Override
    void close();

    /** {@return the text of complete sequences; ill-formed bytes become U+FFFD} */
    default String decode(int[] ids, boolean skipSpecial) {
        TextDecoder decoder = decoder(skipSpecial);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(decoder.append(id));
        }
        return text.append(decoder.finish()).toString();
    }

    /** Opens the tokenizer of a model: in Java if it is a byte-level BPE of GPT-2's form, else the one of Hugging Face. */
    static Tokenizer open(ModelFiles files) {
        if (files.contains("tokenizer.json")) {
            JsonNode json = files.json("tokenizer.json");
            return BytePairFiles.isGpt2(json) ? BytePairFiles.read(files, json) : new HuggingFaceTokens(files, json);
        }
        if (files.contains("vocab.json") && files.contains("merges.txt")) {
            return BytePairFiles.readVocabularyAndMerges(files);
        }
        throw files.missing("tokenizer.json");
    }
}
