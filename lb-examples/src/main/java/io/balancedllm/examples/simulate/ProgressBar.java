/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.simulate;

import java.io.PrintWriter;

/** A bar that grows in place, on a terminal; elsewhere nothing. Used by one thread. */
final class ProgressBar {
    private static final int WIDTH = 40;
    private static final int PERCENT = 100;

    private final PrintWriter out;
    private final boolean terminal;
    private final long total;
    private String name = "";
    private long done;
    private int shown = -1;

    /**
     * A bar of nothing.
     *
     * @param out where to
     * @param total how much there is to do
     */
    ProgressBar(PrintWriter out, long total) {
        this.out = out;
        this.terminal = Boolean.getBoolean("stderr.terminal");
        this.total = Math.max(1, total);
    }

    void begin(String what) {
        name = what;
        shown = -1;
    }

    /** One more is done. */
    void step() {
        done++;
        int percent = (int) (PERCENT * done / total);
        if (terminal && percent != shown) {
            shown = percent;
            int filled = WIDTH * percent / PERCENT;
            out.print("\r[" + "=".repeat(filled) + " ".repeat(WIDTH - filled) + "] " + percent + " % " + name);
            out.flush();
        }
    }

    /** Makes room for a line. */
    void clear() {
        if (terminal) {
            out.print("\r" + " ".repeat(WIDTH + 10 + name.length()) + "\r");
            out.flush();
        }
    }
}
