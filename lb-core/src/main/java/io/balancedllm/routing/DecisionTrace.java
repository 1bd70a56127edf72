/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;

/** Takes notes for the decision record of a call that asked to be explained; otherwise does nothing, at no cost. */
public interface DecisionTrace {
    /** The trace of a call that did not ask: takes nothing. */
    DecisionTrace OFF = new DecisionTrace() {
        @Override
        public boolean enabled() {
            return false;
        }

        @Override
        public void term(EndpointView candidate, String name, double value) {}
    };

    /** {@return whether notes are taken; ask before computing something only for the trace} */
    boolean enabled();

    /**
     * Notes a number that was weighed.
     *
     * @param candidate whose it is
     * @param name what it is, with its unit where it has one
     * @param value the number; lower is better unless the name says otherwise. What is no number is recorded as it is
     */
    void term(EndpointView candidate, String name, double value);
}
