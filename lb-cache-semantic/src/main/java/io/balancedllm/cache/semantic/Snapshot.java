/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.Embedding;
import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import io.balancedllm.openai.OpenAiJson;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Entries in a file: a mark and a version, the embedder, the time, the entries from the least to the most recently used,
 * and a SHA-256 over all that. Written beside the file and then moved to its place, so that a file is whole or not there.
 */
final class Snapshot {
    /** Files of other versions are not read. */
    static final int VERSION = 1;

    private static final int MARK = 0x4C425343; // LBSC
    private static final int DIGEST_BYTES = 32;
    private static final int BUFFER_BYTES = 64 << 10;
    private static final int MAX_TEXT_BYTES = 4 * SemanticCache.MAX_TEXT_CHARS;
    private static final int MAX_NAME_BYTES = 64 << 10;
    private static final int DIGEST_CHARS = 64;
    private static final int MAX_DIMENSION = 1 << 16;

    private Snapshot() {}

    /**
     * What a file holds.
     *
     * @param writtenMillis when it was written, in the time of day
     */
    record Content(String embedder, long writtenMillis, List<Saved> entries) {}

    /**
     * An entry of a file.
     *
     * @param ageNanos how old it was when the file was written
     */
    record Saved(
            String key,
            String partition,
            String text,
            @Nullable String tenant,
            @Nullable String namespace,
            Embedding embedding,
            StoredAnswer answer,
            long ageNanos,
            long lifeNanos) {}

    static void write(Path file, String embedder, int dimension, long nowMillis, long nowNanos, List<Entry> entries)
            throws IOException {
        Path beside = file.resolveSibling(file.getFileName() + ".part");
        MessageDigest digest = sha256();
        try (OutputStream raw = Files.newOutputStream(beside);
                DataOutputStream out =
                        new DataOutputStream(new BufferedOutputStream(new DigestOutputStream(raw, digest)))) {
            out.writeInt(MARK);
            out.writeInt(VERSION);
            writeText(out, embedder);
            out.writeInt(dimension);
            out.writeLong(nowMillis);
            out.writeInt(entries.size());
            for (Entry entry : entries) {
                write(out, entry, nowNanos);
            }
            out.flush();
            raw.write(digest.digest());
        }
        Files.move(beside, file, StandardCopyOption.REPLACE_EXISTING);
    }

    private static void write(DataOutputStream out, Entry entry, long nowNanos) throws IOException {
        writeText(out, entry.key);
        writeText(out, entry.partition.substring(0, DIGEST_CHARS));
        writeText(out, entry.text);
        writeOptional(out, entry.tenant);
        writeOptional(out, entry.namespace);
        for (float value : entry.vector) {
            out.writeFloat(value);
        }
        out.writeUTF(entry.answer.completion().operation().name());
        byte[] answer = OpenAiJson.writeCompletion(entry.answer.completion());
        out.writeInt(answer.length);
        out.write(answer);
        out.writeLong(Math.max(0, nowNanos - entry.storedNanos));
        out.writeLong(entry.lifeNanos);
    }

    /** Reads a file, all of it or nothing. */
    static Content read(Path file) throws IOException {
        verify(file);
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
            if (in.readInt() != MARK) {
                throw new IOException("it is no snapshot of a semantic cache");
            }
            int version = in.readInt();
            if (version != VERSION) {
                throw new IOException("it is of version " + version + ", and this reads version " + VERSION);
            }
            String embedder = readText(in, MAX_NAME_BYTES);
            int dimension = in.readInt();
            if (dimension < 1 || dimension > MAX_DIMENSION) {
                throw new IOException("its vectors have " + dimension + " values");
            }
            long written = in.readLong();
            int count = in.readInt();
            List<Saved> entries = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                entries.add(readEntry(in, dimension));
            }
            return new Content(embedder, written, entries);
        } catch (IllegalArgumentException | LlmException e) {
            throw new IOException("it holds what no cache writes: " + e.getMessage(), e);
        }
    }

    private static Saved readEntry(DataInputStream in, int dimension) throws IOException {
        String key = readText(in, MAX_NAME_BYTES);
        String partition = readText(in, MAX_NAME_BYTES);
        String text = readText(in, MAX_TEXT_BYTES);
        String tenant = in.readBoolean() ? readText(in, MAX_NAME_BYTES) : null;
        String namespace = in.readBoolean() ? readText(in, MAX_NAME_BYTES) : null;
        float[] vector = new float[dimension];
        for (int i = 0; i < dimension; i++) {
            vector[i] = in.readFloat();
        }
        Operation operation = Operation.valueOf(in.readUTF());
        byte[] answer = readBytes(in, OpenAiJson.MAX_BODY_BYTES);
        long age = in.readLong();
        long life = in.readLong();
        StoredAnswer stored = StoredAnswer.of(OpenAiJson.readCompletion(operation, answer))
                .orElseThrow(() -> new IOException("one of its answers is not whole"));
        if (key.length() != DIGEST_CHARS || partition.length() != DIGEST_CHARS || age < 0 || life <= 0) {
            throw new IOException("one of its entries has no key or no time");
        }
        return new Saved(key, partition, text, tenant, namespace, Embedding.of(vector, false), stored, age, life);
    }

    private static void verify(Path file) throws IOException {
        long left = Files.size(file) - DIGEST_BYTES;
        if (left < 0) {
            throw new IOException("it ends too early");
        }
        MessageDigest digest = sha256();
        byte[] buffer = new byte[BUFFER_BYTES];
        try (InputStream in = Files.newInputStream(file)) {
            for (long rest = left; rest > 0; ) {
                int read = in.read(buffer, 0, (int) Math.min(rest, buffer.length));
                if (read < 0) {
                    throw new IOException("it ends too early");
                }
                digest.update(buffer, 0, read);
                rest -= read;
            }
            if (!MessageDigest.isEqual(digest.digest(), in.readNBytes(DIGEST_BYTES))) {
                throw new IOException("its checksum is wrong: it was cut off or changed");
            }
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static void writeOptional(DataOutputStream out, @Nullable String text) throws IOException {
        out.writeBoolean(text != null);
        if (text != null) {
            writeText(out, text);
        }
    }

    private static void writeText(DataOutputStream out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    private static String readText(DataInputStream in, int longest) throws IOException {
        return new String(readBytes(in, longest), StandardCharsets.UTF_8);
    }

    private static byte[] readBytes(DataInputStream in, int longest) throws IOException {
        int length = in.readInt();
        if (length < 0 || length > longest) {
            throw new IOException("it says that " + length + " bytes follow, and at most " + longest + " can");
        }
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new IOException("it ends too early");
        }
        return bytes;
    }
}
