/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

/** The pronouns of somebody in a story. */
enum Gender {
    SHE("she", "her", "her", "hers"),
    HE("he", "him", "his", "his");

    final String subject;
    final String object;
    final String possessive;
    final String possession;

    Gender(String subject, String object, String possessive, String possession) {
        this.subject = subject;
        this.object = object;
        this.possessive = possessive;
        this.possession = possession;
    }
}
