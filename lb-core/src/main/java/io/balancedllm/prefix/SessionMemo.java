/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import io.balancedllm.completion.ContentPart;
import io.balancedllm.completion.Message;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The last turn of the sessions used lately, so that their next one need not be hashed from the start. Bounded by the
 * texts it keeps alive. What it returns is only used where it is equal to the prompt at hand, so that neither a session
 * used twice nor one of another tenant can change a result. Thread-safe; locks one of a few parts for a map operation.
 */
final class SessionMemo {
    /** Bytes of text that are kept for sessions, of one encoder; a turn beyond {@link #MAX_TURN_BYTES} is not kept. */
    static final long MAX_BYTES = 32L << 20;

    /** Sessions kept at most. */
    static final int MAX_SESSIONS = 8_192;

    /** A power of 2. */
    static final int PARTS = 8;

    /** The longest turn that is kept, in bytes: what one part has room for. */
    static final long MAX_TURN_BYTES = MAX_BYTES / PARTS;

    /** What a message takes beside its texts, about. */
    private static final int MESSAGE_BYTES = 128;

    private final Part[] parts = new Part[PARTS];

    SessionMemo() {
        for (int i = 0; i < PARTS; i++) {
            parts[i] = new Part();
        }
    }

    @Nullable
    Turn lastTurn(Key session) {
        return part(session).get(session);
    }

    void remember(Key session, Turn turn) {
        part(session).put(session, turn);
    }

    int sessions() {
        int sum = 0;
        for (Part part : parts) {
            sum += part.size();
        }
        return sum;
    }

    long bytes() {
        long sum = 0;
        for (Part part : parts) {
            sum += part.bytes();
        }
        return sum;
    }

    private Part part(Key session) {
        return parts[((session.hashCode() * 0x9E3779B9) >>> 16) & (PARTS - 1)];
    }

    /** Whose session. */
    record Key(String tenant, String session) {}

    /** A prompt that was hashed, and where its hashing stopped. Immutable. */
    static final class Turn {
        private final long key;
        private final List<Map<String, @Nullable Object>> tools;
        private final List<Message> messages;
        private final long[] hashes;
        private final byte[] rest;
        private final long bytes;

        Turn(long key, List<Map<String, @Nullable Object>> tools, List<Message> messages, BlockChain chain) {
            this.key = key;
            this.tools = tools;
            this.messages = messages;
            this.hashes = chain.hashes();
            this.rest = chain.rest();
            this.bytes = chain.bytes() + (long) Long.BYTES * hashes.length + beside(messages);
        }

        /** {@return what messages take that is no text of the prompt: their objects, and the images, which are large} */
        private static long beside(List<Message> messages) {
            long sum = (long) MESSAGE_BYTES * messages.size();
            for (Message message : messages) {
                for (ContentPart part : message.parts()) {
                    sum += part instanceof ContentPart.Image image ? image.url().length() : 0;
                }
            }
            return sum;
        }

        List<Message> messages() {
            return messages;
        }

        /** {@return whether a prompt of this key and these tools begins with all messages of this one} */
        boolean isBeginningOf(long otherKey, List<Map<String, @Nullable Object>> otherTools, List<Message> others) {
            if (key != otherKey || others.size() < messages.size()) {
                return false;
            }
            // The latest first: where histories differ, they mostly differ at the end.
            for (int i = messages.size() - 1; i >= 0; i--) {
                if (!Objects.equals(messages.get(i), others.get(i))) {
                    return false;
                }
            }
            return tools.equals(otherTools);
        }

        BlockChain resume(int blockBytes) {
            return new BlockChain(blockBytes, key, hashes, rest);
        }
    }

    /** The sessions that fall to one lock, the longest unused first. */
    private static final class Part {
        private final LinkedHashMap<Key, Turn> turns = new LinkedHashMap<>(16, 0.75f, true);
        private long bytes;

        synchronized @Nullable Turn get(Key session) {
            return turns.get(session);
        }

        synchronized void put(Key session, Turn turn) {
            Turn before = turns.remove(session);
            bytes -= before == null ? 0 : before.bytes;
            if (turn.bytes > MAX_TURN_BYTES) {
                return;
            }
            turns.put(session, turn);
            bytes += turn.bytes;
            var oldest = turns.values().iterator();
            while (bytes > MAX_TURN_BYTES || turns.size() > MAX_SESSIONS / PARTS) {
                bytes -= oldest.next().bytes;
                oldest.remove();
            }
        }

        synchronized int size() {
            return turns.size();
        }

        synchronized long bytes() {
            return bytes;
        }
    }
}
