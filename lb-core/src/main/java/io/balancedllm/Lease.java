/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.concurrent.atomic.AtomicBoolean;

/** The right of one attempt to one slot of one generation of an endpoint. Released once, however often it is asked to. */
final class Lease {
    private final PoolMember member;
    private final AtomicBoolean released = new AtomicBoolean();

    Lease(PoolMember member) {
        this.member = member;
    }

    PoolMember member() {
        return member;
    }

    void release() {
        if (released.compareAndSet(false, true)) {
            member.release();
        }
    }
}
