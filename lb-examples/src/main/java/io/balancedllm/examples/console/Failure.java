/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.console;

import org.jspecify.annotations.Nullable;

/** A command failed for a reason that one line explains. Ends the program with code 1 and without a stack trace. */
public final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** A failure with this line, which says what to do. */
    public Failure(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
