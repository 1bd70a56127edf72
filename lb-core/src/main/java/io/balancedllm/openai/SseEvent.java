/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

/**
 * One event of a stream, or a comment in it.
 *
 * @param type the event's name; empty when it has none, {@code ":"} for a comment
 * @param data its data lines, joined by line feeds
 */
record SseEvent(String type, String data) {
    static final SseEvent COMMENT = new SseEvent(":", "");

    boolean isComment() {
        return type.equals(":");
    }
}
