/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import java.io.PrintWriter;
import java.util.Locale;

/** Tells how a training goes: a bar that moves on a terminal, a line now and then elsewhere. Used by one thread. */
final class TrainingProgress {
    private static final int LINE_STEPS = 50;
    private static final int WIDTH = 30;
    private static final double SMOOTHING = 0.95;
    private static final int SECONDS_PER_MINUTE = 60;

    private final PrintWriter out;
    private final boolean terminal;
    private double mean = Double.NaN;
    private long tokens;
    private double since = Double.NaN;

    TrainingProgress(PrintWriter out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    void begin(long parameters, int step) {
        line(String.format(Locale.ROOT, "%.2f million parameters, from step %d", parameters / 1e6, step));
    }

    /** One more step is done. */
    void step(int step, double share, double elapsed, double loss, int read) {
        mean = Double.isNaN(mean) ? loss : SMOOTHING * mean + (1 - SMOOTHING) * loss;
        if (Double.isNaN(since)) {
            since = elapsed;
        } else {
            tokens += read;
        }
        if (!terminal && step % LINE_STEPS != 0) {
            return;
        }
        double left = share > 0 ? elapsed / share - elapsed : 0;
        String text = String.format(
                Locale.ROOT,
                "step %d, loss %.3f, %.0f tokens/s, %.0f min left",
                step,
                mean,
                tokens / Math.max(1e-3, elapsed - since),
                left / SECONDS_PER_MINUTE);
        if (terminal) {
            int filled = (int) (WIDTH * share);
            out.print("\r[" + "=".repeat(filled) + " ".repeat(WIDTH - filled) + "] " + text + "   ");
            out.flush();
        } else {
            line(text);
        }
    }

    void validated(int step, double loss) {
        line(String.format(Locale.ROOT, "step %d, validation loss %.4f, perplexity %.3f", step, loss, Math.exp(loss)));
    }

    private void line(String text) {
        out.println(terminal ? "\r" + text + " ".repeat(WIDTH) : text);
        out.flush();
    }
}
