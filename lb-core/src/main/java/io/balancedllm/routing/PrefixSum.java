/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;
import java.util.Arrays;
import java.util.List;

/**
 * Places a batch by prefix sums: finds the level to which the batch fills up the endpoints' pending prompt tokens, lays the
 * room below that level and the calls' tokens side by side on two lines, and sends each call where its middle falls.
 */
final class PrefixSum implements BatchPlacement {
    private final RoutingPolicy single = new LeastPendingPromptTokens();

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        return single.pick(call, candidates);
    }

    @Override
    public void place(List<RoutingContext> batch, Candidates candidates, EndpointView[] placement) {
        double[] weights = new double[candidates.size()];
        double[] loads = new double[candidates.size()];
        for (int i = 0; i < loads.length; i++) {
            weights[i] = candidates.get(i).weight();
            loads[i] = candidates.get(i).pendingPromptTokens();
        }
        double[] ends = new double[batch.size()];
        double total = 0;
        for (int i = 0; i < ends.length; i++) {
            total += Math.max(1, batch.get(i).promptTokens());
            ends[i] = total;
        }
        double[] rooms = rooms(loads, weights, total);
        int at = 0;
        double start = 0;
        for (int i = 0; i < ends.length; i++) {
            double middle = (start + ends[i]) / 2;
            while (at < rooms.length - 1 && rooms[at] < middle) {
                at++;
            }
            placement[i] = candidates.get(at);
            start = ends[i];
            if (batch.get(i).trace().enabled()) {
                batch.get(i).trace().term(placement[i], "pending prompt tokens / weight", loads[at] / weights[at]);
            }
        }
    }

    /**
     * {@return the running sum of what each endpoint takes of the total} An endpoint takes what lifts its load to the common
     * level, as tokens for its weight; one above the level takes nothing.
     */
    static double[] rooms(double[] loads, double[] weights, double total) {
        double level = level(loads, weights, total);
        double[] rooms = new double[loads.length];
        double sum = 0;
        int last = 0;
        for (int i = 0; i < rooms.length; i++) {
            double room = Math.max(0, level * weights[i] - loads[i]);
            if (room > 0) {
                last = i;
            }
            sum += room;
            rooms[i] = sum;
        }
        // Rounding must leave the end of the line to somebody with room.
        Arrays.fill(rooms, last, rooms.length, Double.POSITIVE_INFINITY);
        return rooms;
    }

    private static double level(double[] loads, double[] weights, double total) {
        Integer[] order = new Integer[loads.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (a, b) -> Double.compare(loads[a] / weights[a], loads[b] / weights[b]));
        double filled = total;
        double width = 0;
        for (int k = 0; k < order.length; k++) {
            filled += loads[order[k]];
            width += weights[order[k]];
            double level = filled / width;
            if (k == order.length - 1 || level <= loads[order[k + 1]] / weights[order[k + 1]]) {
                return level;
            }
        }
        throw new IllegalArgumentException("there is no endpoint");
    }

    @Override
    public String toString() {
        return "prefixSum()";
    }
}
