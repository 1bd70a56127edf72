/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** A name server on loopback, over UDP and TCP on the same port, that says what the test says. */
final class DnsServer implements AutoCloseable {
    /** A record in wire form. */
    @SuppressWarnings("ArrayRecordComponent") // written once, never compared
    record Data(int type, int ttl, byte[] bytes) {}

    private static final int A = 1;
    private static final int SRV = 33;

    final AtomicInteger asked = new AtomicInteger();
    final AtomicInteger askedOverTcp = new AtomicInteger();
    private final AtomicInteger lost = new AtomicInteger();
    volatile int code;
    volatile boolean truncate;
    volatile boolean silent;
    volatile boolean strays;
    private final Map<Integer, List<Data>> records = new ConcurrentHashMap<>();
    private final DatagramSocket udp;
    private final ServerSocket tcp;

    DnsServer() throws IOException {
        tcp = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
        udp = new DatagramSocket(new InetSocketAddress(InetAddress.getLoopbackAddress(), tcp.getLocalPort()));
        daemon(this::serveUdp);
        daemon(this::serveTcp);
    }

    private static void daemon(Runnable task) {
        Thread thread = new Thread(task, "dns-server");
        thread.setDaemon(true);
        thread.start();
    }

    DnsResolver resolver() {
        return DnsResolver.at(new InetSocketAddress(InetAddress.getLoopbackAddress(), udp.getLocalPort()));
    }

    void addresses(int ttl, int... lastBytes) {
        records.put(
                A,
                Arrays.stream(lastBytes)
                        .mapToObj(last -> new Data(A, ttl, new byte[] {127, 0, 0, (byte) last}))
                        .toList());
    }

    void services(Data... services) {
        records.put(SRV, List.of(services));
    }

    /** A service of a host named h. */
    static Data service(int ttl, int priority, int weight, int port, char host) {
        return new Data(SRV, ttl, new byte[] {
            (byte) (priority >> 8),
            (byte) priority,
            (byte) (weight >> 8),
            (byte) weight,
            (byte) (port >> 8),
            (byte) port,
            1,
            (byte) host,
            3,
            'f',
            'o',
            'o',
            0
        });
    }

    void nothing() {
        records.clear();
    }

    private byte[] answer(byte[] question, boolean overUdp) {
        int at = 12;
        while (question[at] != 0) {
            at += question[at] + 1;
        }
        int type = ((question[at + 1] & 0xff) << 8) | (question[at + 2] & 0xff);
        int end = at + 5;
        List<Data> found = code == 0 ? records.getOrDefault(type, List.of()) : List.of();
        boolean cut = truncate && overUdp;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(question, 0, 2);
        out.write(cut ? 0x86 : 0x84);
        out.write(code);
        out.write(question, 4, 2);
        out.write(0);
        out.write(cut ? 0 : found.size());
        out.write(question, 8, 4);
        out.write(question, 12, end - 12);
        if (!cut) {
            for (Data data : found) {
                out.write(0xc0);
                out.write(12); // the name of the question
                out.write(0);
                out.write(data.type());
                out.write(0);
                out.write(1);
                for (int shift = 24; shift >= 0; shift -= 8) {
                    out.write(data.ttl() >> shift);
                }
                out.write(0);
                out.write(data.bytes().length);
                out.writeBytes(data.bytes());
            }
        }
        return out.toByteArray();
    }

    private void serveUdp() {
        byte[] buffer = new byte[1_500];
        while (!udp.isClosed()) {
            DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
            try {
                udp.receive(packet);
                asked.incrementAndGet();
                if (silent) {
                    continue;
                }
                byte[] answer = answer(Arrays.copyOf(buffer, packet.getLength()), true);
                if (strays) {
                    byte[] forged = answer.clone();
                    forged[0] ^= 0x55; // another question's number
                    forged[forged.length - 1] = 66;
                    udp.send(new DatagramPacket(forged, forged.length, packet.getSocketAddress()));
                    udp.send(new DatagramPacket(forged, 3, packet.getSocketAddress()));
                }
                udp.send(new DatagramPacket(answer, answer.length, packet.getSocketAddress()));
            } catch (IOException e) {
                lost.incrementAndGet(); // closed, or the client has gone
            }
        }
    }

    private void serveTcp() {
        while (!tcp.isClosed()) {
            try (Socket socket = tcp.accept()) {
                askedOverTcp.incrementAndGet();
                DataInputStream in = new DataInputStream(socket.getInputStream());
                byte[] question = new byte[in.readUnsignedShort()];
                in.readFully(question);
                byte[] answer = answer(question, false);
                socket.getOutputStream().write(answer.length >> 8);
                socket.getOutputStream().write(answer.length);
                socket.getOutputStream().write(answer);
            } catch (IOException e) {
                lost.incrementAndGet(); // closed, or the client has gone
            }
        }
    }

    @Override
    public void close() throws IOException {
        udp.close();
        tcp.close();
    }
}
