/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

/**
 * Who speaks in a chat message. An open set: engines and templates know roles beyond the constants.
 *
 * @param value the role as it stands on the wire
 */
public record Role(String value) {
    /** Instructions that outrank the conversation. */
    public static final Role SYSTEM = new Role("system");
    /** The newer name of {@link #SYSTEM} for reasoning models. */
    public static final Role DEVELOPER = new Role("developer");
    /** The person, or the program, that asks. */
    public static final Role USER = new Role("user");
    /** The model. */
    public static final Role ASSISTANT = new Role("assistant");
    /** The result of a tool call. */
    public static final Role TOOL = new Role("tool");

    /** Refuses a blank role. */
    public Role {
        Checks.notBlank("role", value);
    }

    @Override
    public String toString() {
        return value;
    }
}
