/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/**
 * Decides where each prompt is computed: in the engine's steps or beside them. Compared are the seconds that either way
 * costs in all: the prompt until its first token, and each sequence that decodes meanwhile. Those are held up by chunks in
 * their steps, or by steps that take longer while something is computed beside them, as it is where both places share
 * cores or memory; how much longer is learned from the steps themselves.
 *
 * <p>What is not known is tried: first here, then there. Later the way that costs more is tried again when that costs no
 * more than {@value #TRIAL_SHARE} of what all prompts have cost since it was taken last. Used by the engine thread alone.
 */
final class Split {
    /** Prompts of which fewer tokens are to be computed are never worth the way. */
    static final int LEAST_TOKENS = 32;

    /**
     * Share of what staying costs that going away may cost. On places that share cores both cost about the same in all,
     * and first tokens come sooner where they stay; on places of their own going away costs less than half.
     */
    static final double WORTHWHILE = 0.8;

    /** What trying the worse way may cost, as a share of what prompts cost. */
    static final double TRIAL_SHARE = 0.02;

    /** Prompts between two trials at least. */
    static final int TRIAL_PROMPTS = 16;

    private static final double EWMA_WEIGHT = 0.2;

    private final Prefiller prefiller;
    private final StepCosts alone;
    private final StepCosts beside;
    private double handoverSecondsPerToken;

    private boolean lastAway;
    private int since;
    private double trialSeconds;

    /** Compares a prefiller with an engine, whose steps cost this while the prefiller rests. */
    Split(Prefiller prefiller, StepCosts alone) {
        this.prefiller = prefiller;
        this.alone = alone;
        beside = new StepCosts(StepCosts.WEIGHT, alone);
    }

    Prefiller prefiller() {
        return prefiller;
    }

    /** {@return what a step of the engine costs now} */
    StepCosts now() {
        return Prefiller.computing(prefiller.moment()) && beside.known() ? beside : alone;
    }

    /**
     * Learns from a step of the engine.
     *
     * @param moment {@link Prefiller#moment} when it began
     */
    void learn(long moment, int tokens, double seconds) {
        long end = prefiller.moment();
        if (Prefiller.computing(moment) && Prefiller.computing(end)) {
            beside.learn(tokens, seconds);
        } else if (moment == end) {
            alone.learn(tokens, seconds);
        } // else it was a bit of both
    }

    /** Learns what handing over took. */
    void handedOver(int tokens, double seconds) {
        double each = seconds / tokens;
        handoverSecondsPerToken =
                handoverSecondsPerToken == 0 ? each : (1 - EWMA_WEIGHT) * handoverSecondsPerToken + EWMA_WEIGHT * each;
    }

    /** {@return whether a prompt is to be computed beside the engine} */
    boolean pays(Prompt prompt) {
        if (prompt.uncached() < LEAST_TOKENS || prefiller.closed()) {
            return false;
        }
        StepCosts there = prefiller.costs();
        if (!alone.tokenKnown() || !there.known()) {
            return alone.tokenKnown() && prompt.decodes() > 0 && prefiller.backlog() == 0;
        }
        double staying = staying(prompt, now());
        double away = away(prompt, there);
        boolean better = away < WORTHWHILE * staying;
        boolean trial = prompt.decodes() > 0 && trialDue(better, Math.min(away, staying), Math.abs(away - staying));
        return trial != better;
    }

    private static double staying(Prompt prompt, StepCosts here) {
        double toFirst = prompt.ahead() + prompt.uncached();
        double steps = Math.ceil(toFirst / Math.max(1, prompt.chunk()));
        double own = toFirst * here.secondsPerToken() + steps * here.seconds(prompt.decodes());
        return own + prompt.decodes() * prompt.uncached() * here.secondsPerToken();
    }

    private double away(Prompt prompt, StepCosts there) {
        double computing = prefiller.seconds(prompt.tokens());
        double handover = prompt.tokens() * handoverSecondsPerToken;
        double own = prefiller.backlog() * there.secondsPerToken()
                + computing
                + handover
                + alone.seconds(prompt.decodes() + 1);
        return own + prompt.decodes() * (computing * lostBeside(prompt.decodes()) + handover);
    }

    /** {@return the share of its time that a sequence loses while a prompt is computed beside it} */
    private double lostBeside(int decodes) {
        return beside.known() ? Math.max(0, 1 - alone.seconds(decodes) / beside.seconds(decodes)) : 0;
    }

    private boolean trialDue(boolean away, double seconds, double excess) {
        if (away != lastAway) {
            lastAway = away;
            since = 0;
            trialSeconds = 0;
            return false;
        }
        since++;
        trialSeconds += TRIAL_SHARE * seconds;
        if (since < TRIAL_PROMPTS || trialSeconds < excess || (!away && prefiller.backlog() > 0)) {
            return false;
        }
        since = 0;
        trialSeconds = 0;
        return true;
    }

    @Override
    public String toString() {
        return "Split{alone " + alone + ", beside " + beside + ", there " + prefiller.costs() + ", "
                + handoverSecondsPerToken + " s a token to hand over}";
    }

    /**
     * A prompt, and what there is at the engine.
     *
     * @param tokens it has
     * @param uncached how many of them the engine would have to compute itself
     * @param decodes how many sequences decode
     * @param ahead tokens of other prompts that the engine computes before this one
     * @param chunk how many tokens of prompts a step of the engine feeds beside these decodes
     */
    record Prompt(int tokens, int uncached, int decodes, long ahead, int chunk) {}
}
