/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.architecture;

import java.util.List;
import org.HdrHistogram.Histogram;

/** Shows types of a library below: as a result, as a type argument, and as an array. */
public class ShowsTooMuch {
    public Histogram result() {
        return new Histogram(1);
    }

    protected void argument(List<? extends Histogram> histograms) {}

    public Histogram[] array() {
        return new Histogram[0];
    }

    Histogram hidden() {
        return new Histogram(1);
    }
}
