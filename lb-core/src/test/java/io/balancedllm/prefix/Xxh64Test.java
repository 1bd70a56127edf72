/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Xxh64Test {
    private static final long PRIME_32 = 2_654_435_761L;

    @ParameterizedTest
    @CsvSource({
        "'', ef46db3751d8e999, ac75fda2929b17ef",
        "a, d24ec4f1a98c6e5b, 393da8b78992279b",
        "abc, 44bc2cf5ad770999, 1318df30094a85fd",
        "Nobody inspects the spammish repetition, fbcea83c8a378bf1, 56db22dd5b051147"
    })
    void hashesTextsAsTheReferenceImplementationDoes(String text, String unseeded, String seeded) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);

        assertThat(Long.toHexString(Xxh64.hash(bytes, 0, bytes.length, 0))).isEqualTo(unseeded);
        assertThat(Long.toHexString(Xxh64.hash(bytes, 0, bytes.length, PRIME_32)))
                .isEqualTo(seeded);
    }

    @ParameterizedTest
    @CsvSource({
        "31, f3da6d05709c035d",
        "32, a1c89217e9d50750",
        "33, e6a3c00cd6e74075",
        "44, 9c52013c05753c46",
        "63, 26a0acd772de057e",
        "256, cc297fef2bb48bbf"
    })
    void hashesEveryLengthAsTheReferenceImplementationDoesWhereverItLies(int length, String expected) {
        byte[] bytes = new byte[300];
        for (int i = 0; i < length; i++) {
            bytes[5 + i] = (byte) i;
        }

        assertThat(Long.toHexString(Xxh64.hash(bytes, 5, length, 0x9E3779B97F4A7C15L)))
                .isEqualTo(expected);
    }
}
