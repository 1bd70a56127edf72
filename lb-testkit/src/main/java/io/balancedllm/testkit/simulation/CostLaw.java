/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * How long an engine takes for a step. {@link Roofline} is the one the published numbers were made with; others show
 * whether a policy depends on it. Stateless and thread-safe.
 */
@FunctionalInterface
public interface CostLaw {
    /**
     * {@return the seconds of a step}
     *
     * @param load what is computed in it
     */
    double stepSeconds(StepLoad load);

    /**
     * {@return the seconds that computing a part of a prompt adds to steps that are busy anyway}
     *
     * @param tokens how many tokens are computed
     * @param before tokens of the prompt that are there already
     */
    default double prefillSeconds(int tokens, int before) {
        return stepSeconds(new StepLoad(tokens, StepLoad.attention(tokens, before), before, 0, 0));
    }

    /**
     * {@return a law that is a sum of its parts, as measured engines are often fitted}
     *
     * @param step seconds of every step
     * @param promptToken seconds of a token of a prompt
     * @param pair seconds of a token of a prompt for each token before it; 0 makes prefill linear
     * @param sequence seconds of a sequence that decodes
     * @param contextToken seconds of a token of its context
     */
    static CostLaw sum(double step, double promptToken, double pair, double sequence, double contextToken) {
        return load -> step
                + promptToken * load.prefillTokens()
                + pair * load.prefillPairs()
                + sequence * load.decodeSequences()
                + contextToken * load.decodeContextTokens();
    }
}
