/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/**
 * A model directory that cannot be loaded, or cannot be loaded faithfully. The message names the file, the tensor or
 * setting in it, and what to do. Thrown while loading only, never by a request.
 */
public final class InvalidModelException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    InvalidModelException(String message) {
        super(message);
    }

    InvalidModelException(String message, Throwable cause) {
        super(message, cause);
    }
}
