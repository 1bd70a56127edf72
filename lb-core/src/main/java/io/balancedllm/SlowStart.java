/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.random.RandomGenerator;

/**
 * Holds back endpoints that have just come (back), whatever the policy: each is a candidate with a probability that
 * grows with its share, and only while it has less in flight than that share of what the others have. Where nobody else
 * is there, or all have just come, nobody is held back: a slow start steers, and never makes a call wait.
 */
final class SlowStart {
    private SlowStart() {}

    /**
     * Takes out of the candidates, in place, those that are held back.
     *
     * @param eligibilities of all members, by ordinal
     * @return how many are left
     */
    static int thin(
            PoolMember[] members,
            int[] ordinals,
            int size,
            Eligibility[] eligibilities,
            long nowNanos,
            RandomGenerator random) {
        int full = 0;
        double load = 0;
        for (int i = 0; i < size; i++) {
            if (eligibilities[ordinals[i]] == Eligibility.OPEN) {
                full++;
                load += members[i].inFlight() / members[i].weight();
            }
        }
        if (full == 0) {
            return size;
        }
        double mean = load / full;
        int left = 0;
        for (int i = 0; i < size; i++) {
            PoolMember member = members[i];
            if (eligibilities[ordinals[i]] != Eligibility.RAMPING || admits(member, mean, nowNanos, random)) {
                members[left] = member;
                ordinals[left++] = ordinals[i];
            }
        }
        return left;
    }

    private static boolean admits(PoolMember member, double mean, long nowNanos, RandomGenerator random) {
        double share = member.share(nowNanos);
        return member.inFlight() < Math.max(1, share * mean * member.weight()) && random.nextDouble() < share;
    }
}
