/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.discovery.DnsResolver.Found;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Questions and answers of DNS, as far as addresses and services need them (RFC 1035, RFC 2782, RFC 3596). Reading is
 * bounded by the message: a name that points forward, or in a circle, is malformed.
 */
final class DnsMessage {
    static final int A = 1;
    static final int AAAA = 28;
    static final int SRV = 33;

    private static final int CNAME = 5;
    private static final int INTERNET = 1;
    private static final int HEADER_BYTES = 12;
    private static final int MAX_NAME = 255;
    private static final int MAX_LABEL = 63;
    private static final int RECURSION_DESIRED = 0x0100;
    private static final int RESPONSE = 0x8000;
    private static final int TRUNCATED = 0x0200;
    private static final int NO_SUCH_NAME = 3;

    /**
     * What an answer says.
     *
     * @param truncated whether it did not fit: to be asked again over TCP
     * @param noSuchName whether the name does not exist
     * @param failed the code of another failure, 0 for none
     * @param ttlSeconds the shortest life of what was found, aliases included
     */
    record Reply(boolean truncated, boolean noSuchName, int failed, List<Found> found, long ttlSeconds) {}

    private final byte[] bytes;
    private int at;

    private DnsMessage(byte[] bytes) {
        this.bytes = bytes;
    }

    static byte[] question(int id, String name, int type) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int number : new int[] {id, RECURSION_DESIRED, 1, 0, 0, 0}) {
            write16(out, number);
        }
        String plain = name.endsWith(".") ? name.substring(0, name.length() - 1) : name;
        if (plain.isEmpty() || plain.length() > MAX_NAME - 2) {
            throw new IOException(
                    "a name of DNS has 1 to " + (MAX_NAME - 2) + " characters, this has " + plain.length());
        }
        for (String label : plain.split("\\.", -1)) {
            byte[] ascii = label.getBytes(StandardCharsets.US_ASCII);
            if (ascii.length == 0 || ascii.length > MAX_LABEL) {
                throw new IOException("a label of a name of DNS has 1 to " + MAX_LABEL + " characters");
            }
            out.write(ascii.length);
            out.write(ascii);
        }
        out.write(0);
        write16(out, type);
        write16(out, INTERNET);
        return out.toByteArray();
    }

    private static void write16(ByteArrayOutputStream out, int number) {
        out.write(number >> 8);
        out.write(number);
    }

    /** {@return whether these bytes answer that question; others are to be ignored, for anybody can send them} */
    static boolean answers(byte[] question, byte[] answer) {
        if (answer.length < question.length || (((answer[2] & 0xff) << 8) & RESPONSE) == 0) {
            return false;
        }
        for (int i = 0; i < question.length; i++) {
            boolean matters = i < 2 || i >= HEADER_BYTES;
            if (matters && lower(question[i]) != lower(answer[i])) {
                return false;
            }
        }
        return true;
    }

    private static int lower(byte b) {
        return b >= 'A' && b <= 'Z' ? b + 32 : b;
    }

    /**
     * {@return what an answer says to a question of this type}
     *
     * @throws IOException when it is malformed
     */
    static Reply read(byte[] answer, int type) throws IOException {
        try {
            return new DnsMessage(answer).reply(type);
        } catch (ArrayIndexOutOfBoundsException e) {
            throw new IOException("the answer ends too early", e);
        }
    }

    private Reply reply(int type) throws IOException {
        at = 2;
        int flags = read16();
        int questions = read16();
        int answers = read16();
        at = HEADER_BYTES;
        for (int i = 0; i < questions; i++) {
            name();
            at += 4;
        }
        List<Found> found = new ArrayList<>();
        long ttl = Integer.MAX_VALUE;
        for (int i = 0; i < answers; i++) {
            name();
            int recordType = read16();
            int recordClass = read16();
            long recordTtl = ((long) read16() << 16) | read16();
            int length = read16();
            int end = at + length;
            if (end > bytes.length) {
                throw new IOException("a record reaches beyond the answer");
            }
            if (recordClass == INTERNET && (recordType == type || recordType == CNAME)) {
                ttl = Math.min(ttl, recordTtl > Integer.MAX_VALUE ? 0 : recordTtl);
                if (recordType == type) {
                    found.add(record(type, length));
                }
            }
            at = end;
        }
        int code = flags & 0xf;
        return new Reply(
                (flags & TRUNCATED) != 0,
                code == NO_SUCH_NAME,
                code == NO_SUCH_NAME ? 0 : code,
                found,
                found.isEmpty() ? 0 : ttl);
    }

    private Found record(int type, int length) throws IOException {
        if (type == SRV) {
            int priority = read16();
            int weight = read16();
            int port = read16();
            return new Found(name().toLowerCase(Locale.ROOT), port, priority, weight);
        }
        if (length != (type == A ? 4 : 16)) {
            throw new IOException("an address has " + length + " bytes");
        }
        byte[] address = new byte[length];
        System.arraycopy(bytes, at, address, 0, length);
        return new Found(InetAddress.getByAddress(address).getHostAddress(), 0, 0, 0);
    }

    private int read16() {
        int value = ((bytes[at] & 0xff) << 8) | (bytes[at + 1] & 0xff);
        at += 2;
        return value;
    }

    /** Reads a name; leaves {@link #at} behind it. A pointer leads backward only, so this ends. */
    private String name() throws IOException {
        StringBuilder name = new StringBuilder();
        int from = at;
        int after = -1;
        int limit = at;
        while (true) {
            int length = bytes[from] & 0xff;
            if (length == 0) {
                at = after < 0 ? from + 1 : after;
                return name.toString();
            }
            if (length >= 0xc0) {
                int target = ((length & 0x3f) << 8) | (bytes[from + 1] & 0xff);
                if (target >= limit) {
                    throw new IOException("a name points forward");
                }
                after = after < 0 ? from + 2 : after;
                limit = target;
                from = target;
            } else if (length > MAX_LABEL || name.length() + length + 1 > MAX_NAME) {
                throw new IOException("a name is too long");
            } else {
                if (name.length() > 0) {
                    name.append('.');
                }
                name.append(new String(bytes, from + 1, length, StandardCharsets.US_ASCII));
                from += length + 1;
            }
        }
    }
}
