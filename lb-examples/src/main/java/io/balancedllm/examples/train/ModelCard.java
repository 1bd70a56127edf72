/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import java.util.Locale;

/** What goes with a trained model: what it is, what it is not, and how it came about. */
final class ModelCard {
    private ModelCard() {}

    static String text(long parameters, int steps, long seed, double loss) {
        return String.format(Locale.ROOT, """
            # The built-in story model

            A GPT-2 of %.2f million parameters, stored as fp16. It writes short children's stories in simple English: somebody
            loses a thing, makes a mistake, quarrels, sets out, helps; there is a friend, and something is learned.

            **What it is for.** Trying the library, its examples and its tests without a download, a network or native code. It
            runs in plain Java on any machine, at hundreds to thousands of tokens a second.

            **What it is not.** A language model for any purpose of its own. It knows nothing, follows no instructions, speaks
            only the English of its stories and makes no sense outside of them. Begin with "Once upon a time". Now and then it
            takes one thing for another. Do not judge the library's quality of text by it.

            **Where it comes from.** Model and tokenizer were trained from scratch on stories written by a grammar, both part of
            this project: `lb-examples/run train`, %d steps from seed %d, to a perplexity of %.3f per token on stories that were
            not trained with. No text of others, no data about people and no pretrained weights went in. Apache-2.0, like the
            code.
            """, parameters / 1e6, steps, seed, Math.exp(loss));
    }
}
