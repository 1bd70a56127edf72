/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** Turns the ids of one sequence into text as they come. Never hands out half a character. Not thread-safe. */
interface TextDecoder {
    /** {@return the text that is complete with this id; possibly empty} */
    String append(int id);

    /** {@return what was held back, as U+FFFD where it never became a character} */
    String finish();
}
