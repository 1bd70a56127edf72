/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.compare;

import java.util.ArrayList;
import java.util.List;

/**
 * One setting in which policies are compared.
 *
 * @param name of trace and memory together
 * @param trace the file
 * @param kvBlocks memory of an engine, in blocks
 * @param replicas how many engines
 * @param load offered, 1 being {@code saturation}
 * @param saturation requests a second that these engines serve when all come at once and take turns
 */
record Cell(String name, String trace, int kvBlocks, int replicas, double load, double saturation) {
    private static final String CONVERSATION = "mooncake_conversation.jsonl.gz";
    private static final String TENANTS = "synth_tenants_zipf.jsonl.gz";
    /** HBM of an 80 GB GPU beside an 8B model. */
    private static final int HBM = 860;
    /** That, and a tier of 220 GB in the host's memory. */
    private static final int HBM_AND_HOST = 4_096;

    private static final int[] REPLICAS = {4, 8, 16};
    private static final double[] LOADS = {0.5, 0.7, 0.85, 0.95, 1.05};

    /** {@return the 45 cells} */
    static List<Cell> all() {
        List<Cell> cells = new ArrayList<>();
        add(cells, "conv860", CONVERSATION, HBM, 4.88, 9.59, 17.37);
        add(cells, "conv4096", CONVERSATION, HBM_AND_HOST, 6.06, 11.67, 20.68);
        add(cells, "tenants860", TENANTS, HBM, 12.57, 24.57, 45.83);
        return cells;
    }

    private static void add(List<Cell> cells, String name, String trace, int blocks, double... saturations) {
        for (int i = 0; i < REPLICAS.length; i++) {
            for (double load : LOADS) {
                cells.add(new Cell(name, trace, blocks, REPLICAS[i], load, saturations[i]));
            }
        }
    }

    /** {@return what its rows begin with} */
    String key() {
        return name + "," + replicas + "," + load;
    }
}
