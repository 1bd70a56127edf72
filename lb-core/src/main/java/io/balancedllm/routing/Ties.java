/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;

/**
 * Chooses among candidates that a policy found equal, by weight and with one draw for all of them. A policy that compares
 * looks at no more than {@link Scan#FULL_SCAN_LIMIT} candidates, so those that are equal are the bits of a word.
 */
final class Ties {
    private Ties() {}

    /** {@return the bit of the candidate looked at as number i} */
    static long of(int i) {
        return 1L << i;
    }

    /**
     * {@return any of the equals, each as likely as its weight says}
     *
     * @param equals their bits, at least one
     * @param weights of all of them together
     * @param start where the scan began
     */
    static EndpointView draw(long equals, double weights, int start, Candidates candidates, RoutingContext call) {
        int size = candidates.size();
        EndpointView choice = at(equals, size, start, candidates);
        long others = equals & equals - 1;
        if (others != 0) {
            double point = call.random().nextDouble() * weights - choice.weight();
            for (; point >= 0 && others != 0; others &= others - 1) {
                choice = at(others, size, start, candidates);
                point -= choice.weight();
            }
        }
        return choice;
    }

    private static EndpointView at(long places, int size, int start, Candidates candidates) {
        return candidates.get(Scan.place(Long.numberOfTrailingZeros(places), size, start));
    }
}
