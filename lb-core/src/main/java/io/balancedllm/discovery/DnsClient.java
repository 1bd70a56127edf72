/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.time.RandomSource;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks name servers over UDP, and over TCP what did not fit. The JDK's own look-ups tell no TTL, neither
 * {@code InetAddress} nor the {@code dns:} provider of JNDI, which is why this exists. Each question has a random number
 * and a socket of its own, and takes only the answer of whom it asked.
 */
final class DnsClient implements DnsResolver {
    /** How long one server may take. */
    static final Duration TIMEOUT = Duration.ofSeconds(2);
    /** How often all servers are asked before it is given up. */
    static final int ROUNDS = 2;

    private static final Logger LOG = LoggerFactory.getLogger(DnsClient.class);
    private static final Path RESOLV_CONF = Path.of("/etc/resolv.conf");
    private static final int PORT = 53;
    private static final int MAX_UDP_BYTES = 4_096;
    private static final int MAX_SERVERS = 3;
    private static final int MAX_SEARCH = 8;
    private static final int MAX_STRAYS = 16;

    private final List<InetSocketAddress> servers;
    private final List<String> search;
    private final int dots;
    private final RandomGenerator random = RandomSource.system();

    DnsClient(List<InetSocketAddress> servers, List<String> search, int dots) {
        if (servers.isEmpty()) {
            throw new IllegalArgumentException("servers must not be empty");
        }
        this.servers = servers;
        this.search = search;
        this.dots = dots;
    }

    static DnsClient system() {
        List<String> lines = List.of();
        try {
            lines = Files.readAllLines(RESOLV_CONF);
        } catch (IOException e) {
            LOG.warn("{} cannot be read ({}), asking a name server on this machine", RESOLV_CONF, e.toString());
        }
        return configured(lines);
    }

    @SuppressWarnings("AddressSelection") // name servers are written in digits
    static DnsClient configured(List<String> lines) {
        List<InetSocketAddress> servers = new ArrayList<>();
        List<String> search = new ArrayList<>();
        int dots = 1;
        for (String line : lines) {
            List<String> words = Arrays.asList(line.strip().split("\\s+"));
            if (words.size() < 2) {
                continue;
            }
            List<String> rest = words.subList(1, words.size());
            switch (words.get(0)) {
                case "nameserver" -> servers.add(new InetSocketAddress(rest.get(0), PORT));
                case "search", "domain" -> {
                    search.clear();
                    search.addAll(rest);
                }
                case "options" -> {
                    for (String option : rest) {
                        if (option.matches("ndots:[0-9]{1,2}")) {
                            dots = Integer.parseInt(option.substring("ndots:".length()));
                        }
                    }
                }
                default -> {} // what else there is does not concern us
            }
        }
        if (servers.isEmpty()) {
            servers.add(new InetSocketAddress(InetAddress.getLoopbackAddress(), PORT));
        }
        return new DnsClient(
                List.copyOf(servers.subList(0, Math.min(MAX_SERVERS, servers.size()))),
                List.copyOf(search.subList(0, Math.min(MAX_SEARCH, search.size()))),
                dots);
    }

    @Override
    public Answer resolve(String name, Kind kind) throws IOException {
        for (String candidate : candidates(name)) {
            List<Found> found = new ArrayList<>();
            long ttl = Integer.MAX_VALUE;
            for (int type :
                    kind == Kind.SERVICES ? new int[] {DnsMessage.SRV} : new int[] {DnsMessage.A, DnsMessage.AAAA}) {
                DnsMessage.Reply reply = ask(candidate, type);
                if (!reply.found().isEmpty()) {
                    found.addAll(reply.found());
                    ttl = Math.min(ttl, reply.ttlSeconds());
                }
            }
            if (!found.isEmpty()) {
                return new Answer(found, Duration.ofSeconds(ttl));
            }
        }
        throw new IOException("DNS knows no " + (kind == Kind.SERVICES ? "SRV records" : "addresses") + " of " + name);
    }

    /** {@return the names to try, as resolvers do: a name with few dots is looked for in the search list first} */
    List<String> candidates(String name) {
        if (name.endsWith(".") || search.isEmpty()) {
            return List.of(name);
        }
        List<String> names = new ArrayList<>();
        search.forEach(domain -> names.add(name + "." + domain));
        boolean first = name.chars().filter(c -> c == '.').count() >= dots;
        names.add(first ? 0 : names.size(), name);
        return names;
    }

    private DnsMessage.Reply ask(String name, int type) throws IOException {
        IOException last = new IOException("no name server was asked");
        for (int round = 0; round < ROUNDS; round++) {
            for (InetSocketAddress server : servers) {
                try {
                    DnsMessage.Reply reply =
                            ask(server, DnsMessage.question(random.nextInt(1 << 16), name, type), type);
                    if (reply.failed() == 0) {
                        return reply;
                    }
                    last = new IOException(server + " failed to look up " + name + ", code " + reply.failed());
                } catch (IOException e) {
                    last = new IOException(server + " did not tell of " + name + ": " + e.getMessage(), e);
                }
            }
        }
        throw last;
    }

    private static DnsMessage.Reply ask(InetSocketAddress server, byte[] question, int type) throws IOException {
        DnsMessage.Reply reply = DnsMessage.read(overUdp(server, question), type);
        return reply.truncated() ? DnsMessage.read(overTcp(server, question), type) : reply;
    }

    private static byte[] overUdp(InetSocketAddress server, byte[] question) throws IOException {
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.setSoTimeout((int) TIMEOUT.toMillis());
            socket.connect(server); // the system drops what others send
            socket.send(new DatagramPacket(question, question.length));
            byte[] buffer = new byte[MAX_UDP_BYTES];
            for (int strays = 0; strays < MAX_STRAYS; strays++) {
                DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
                socket.receive(packet);
                byte[] answer = Arrays.copyOf(buffer, packet.getLength());
                if (DnsMessage.answers(question, answer)) {
                    return answer;
                }
            }
            throw new SocketTimeoutException("only stray answers came");
        }
    }

    private static byte[] overTcp(InetSocketAddress server, byte[] question) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(server, (int) TIMEOUT.toMillis());
            socket.setSoTimeout((int) TIMEOUT.toMillis());
            byte[] framed = new byte[question.length + 2];
            framed[0] = (byte) (question.length >> 8);
            framed[1] = (byte) question.length;
            System.arraycopy(question, 0, framed, 2, question.length);
            socket.getOutputStream().write(framed);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            byte[] answer = new byte[in.readUnsignedShort()];
            in.readFully(answer);
            if (!DnsMessage.answers(question, answer)) {
                throw new IOException("the answer over TCP is not to this question");
            }
            return answer;
        }
    }

    @Override
    public String toString() {
        return "dns" + servers;
    }
}
