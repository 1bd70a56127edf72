/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import java.util.Map;

/**
 * The head of a response. Immutable.
 *
 * @param status the HTTP status, 0 in process
 * @param headers the response's headers by lower-case name; empty in process
 */
public record ResponseInfo(int status, Map<String, String> headers) {
    /** The head of a response that came over no network. */
    public static final ResponseInfo IN_PROCESS = new ResponseInfo(0, Map.of());

    /** Copies the map. */
    public ResponseInfo {
        headers = Map.copyOf(headers);
    }
}
