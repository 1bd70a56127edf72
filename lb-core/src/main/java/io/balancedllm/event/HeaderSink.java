/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

/** Takes headers for the request of an attempt. Where there is no wire they go nowhere. */
@FunctionalInterface
public interface HeaderSink {
    /**
     * Sets a header, replacing one of the same name.
     *
     * @param name the header's name
     * @param value its value
     */
    void set(String name, String value);
}
