/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.EndpointLocal;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** What policies keep for one generation of an endpoint. Thread-safe; reads take no lock. */
final class EndpointLocals {
    private final PoolMember member;
    /** Keys and values in turn; replaced as a whole. */
    private volatile Object[] entries = {};

    EndpointLocals(PoolMember member) {
        this.member = member;
    }

    <T> T get(EndpointLocal<T> local) {
        T found = find(entries, local);
        return found != null ? found : add(local);
    }

    private synchronized <T> T add(EndpointLocal<T> local) {
        Object[] before = entries;
        T found = find(before, local);
        if (found != null) {
            return found;
        }
        T state = local.newState(member);
        Object[] after = Arrays.copyOf(before, before.length + 2);
        after[before.length] = local;
        after[before.length + 1] = state;
        entries = after;
        return state;
    }

    synchronized void drop() {
        entries = new Object[0];
    }

    @SuppressWarnings({"unchecked", "ReferenceEquality"}) // a key's value was made by that very key
    private static <T> @Nullable T find(Object[] entries, EndpointLocal<T> local) {
        for (int i = 0; i < entries.length; i += 2) {
            if (entries[i] == local) {
                return (T) entries[i + 1];
            }
        }
        return null;
    }
}
