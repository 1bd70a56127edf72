/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.LlmException;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;

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
    private static final int MAX_NAME_BYTES = 64 << 10;
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
    record Saved(EntryCodec.Head head, StoredAnswer answer, long ageNanos, long lifeNanos) {}

    static void write(Path file, String embedder, int dimension, long nowMillis, long nowNanos, List<Entry> entries)
            throws IOException {
        Path beside = file.resolveSibling(file.getFileName() + ".part");
        MessageDigest digest = sha256();
        try (OutputStream raw = Files.newOutputStream(beside);
                DataOutputStream out =
                        new DataOutputStream(new BufferedOutputStream(new DigestOutputStream(raw, digest)))) {
            out.writeInt(MARK);
            out.writeInt(VERSION);
            EntryCodec.writeText(out, embedder);
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
        EntryCodec.writeHead(out, entry);
        EntryCodec.writeBody(out, entry);
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
            String embedder = EntryCodec.readText(in, MAX_NAME_BYTES);
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
        Saved saved =
                new Saved(EntryCodec.readHead(in, dimension), EntryCodec.readBody(in), in.readLong(), in.readLong());
        if (saved.ageNanos < 0 || saved.lifeNanos <= 0) {
            throw new IOException("one of its entries has no time");
        }
        return saved;
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
}
