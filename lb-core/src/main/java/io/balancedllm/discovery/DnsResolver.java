/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;

/** Looks names up, with the time each answer may be kept. Thread-safe. */
@FunctionalInterface
public interface DnsResolver {
    /** What is asked for. */
    enum Kind {
        /** Addresses, of both families. */
        ADDRESSES,
        /** Services: hosts with ports, priorities and weights (SRV, RFC 2782). */
        SERVICES
    }

    /**
     * Looks a name up. May block for some seconds.
     *
     * @return what was found, at least one
     * @throws IOException when there is no such name, nothing of this kind, or no answer
     */
    Answer resolve(String name, Kind kind) throws IOException;

    /**
     * {@return a resolver that asks the name servers of {@code /etc/resolv.conf}, with its search list} It neither reads
     * {@code /etc/hosts} nor keeps answers.
     */
    static DnsResolver system() {
        return DnsClient.system();
    }

    /** {@return a resolver that asks these servers, one after the other, for names as they are} */
    static DnsResolver at(InetSocketAddress... servers) {
        return new DnsClient(List.of(servers), List.of(), 1);
    }

    /**
     * What was found. Immutable.
     *
     * @param found at least one
     * @param ttl how long it may be kept
     */
    record Answer(List<Found> found, Duration ttl) {
        /** Copies the list. */
        public Answer {
            found = List.copyOf(found);
        }
    }

    /**
     * An address or a service.
     *
     * @param host the address in digits, or the host of the service
     * @param port the port of the service, 0 for an address
     * @param priority the lower, the earlier used; 0 for an address
     * @param weight its share among those of its priority; 0 for an address
     */
    record Found(String host, int port, int priority, int weight) {}
}
