/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Which hosts may be announced as endpoints. Without rules only the address the announcement comes from, so that nobody
 * can point the balancer at somebody else. Names are compared as text and never looked up: what a name resolves to may
 * change after the check. Immutable.
 */
final class HostRules {
    private static final class Network {
        private final byte[] address;
        private final int bits;

        Network(byte[] address, int bits) {
            this.address = address;
            this.bits = bits;
        }

        boolean contains(byte[] other) {
            if (other.length != address.length) {
                return false;
            }
            for (int bit = 0; bit < bits; bit++) {
                int mask = 0x80 >> (bit % 8);
                if ((address[bit / 8] & mask) != (other[bit / 8] & mask)) {
                    return false;
                }
            }
            return true;
        }
    }

    private final List<String> names = new ArrayList<>();
    private final List<Network> networks = new ArrayList<>();

    /** Rules: addresses, networks such as {@code 10.0.0.0/8}, names, and names below one as {@code *.example.org}. */
    HostRules(List<String> rules) {
        for (String rule : rules) {
            add(rule.strip().toLowerCase(Locale.ROOT));
        }
    }

    private void add(String rule) {
        int slash = rule.indexOf('/');
        byte[] address = address(slash < 0 ? rule : rule.substring(0, slash));
        if (address == null) {
            if (slash >= 0 || rule.isEmpty() || (rule.contains("*") && rule.lastIndexOf("*.") != 0)) {
                throw new IllegalArgumentException(
                        "a host rule is an address, a network 10.0.0.0/8, a name or *.name, got \"" + rule + "\"");
            }
            names.add(rule);
            return;
        }
        int bits = slash < 0 ? address.length * 8 : bits(rule, slash);
        if (bits < 0 || bits > address.length * 8) {
            throw new IllegalArgumentException("no such network: \"" + rule + "\"");
        }
        networks.add(new Network(address, bits));
    }

    private static int bits(String rule, int slash) {
        try {
            return Integer.parseInt(rule.substring(slash + 1));
        } catch (NumberFormatException e) {
            return -1;
        }
    }

    /** {@return whether a host, as it stands in a URL, may be announced from this address} */
    boolean allow(String host, InetAddress peer) {
        String lower = host.toLowerCase(Locale.ROOT);
        byte[] address = address(lower);
        if (names.isEmpty() && networks.isEmpty()) {
            return address != null
                    ? Arrays.equals(address, peer.getAddress())
                    : lower.equals("localhost") && peer.isLoopbackAddress();
        }
        if (address != null) {
            return networks.stream().anyMatch(network -> network.contains(address));
        }
        return names.stream()
                .anyMatch(name -> name.startsWith("*.") ? lower.endsWith(name.substring(1)) : lower.equals(name));
    }

    /** {@return the address written in digits, null when it is a name: nothing is looked up} */
    @SuppressWarnings("AddressSelection") // an address in digits is one address
    private static byte @Nullable [] address(String host) {
        String plain = host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
        boolean v4 = plain.matches("\\d{1,3}(\\.\\d{1,3}){3}");
        boolean v6 = plain.contains(":") && plain.matches("[0-9a-f:.]+");
        if (!v4 && !v6) {
            return null;
        }
        try {
            return InetAddress.getByName(plain).getAddress();
        } catch (UnknownHostException e) {
            return null;
        }
    }
}
