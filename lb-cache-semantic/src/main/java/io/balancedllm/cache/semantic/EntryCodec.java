/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.Embedding;
import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import io.balancedllm.openai.OpenAiJson;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Entries as bytes: the head, which finds an entry, and the body, which is its answer. Reads nothing that it does not
 * write: an entry's key must be the digest of its partition and text, so that no entry is found by another question.
 */
final class EntryCodec {
    /** Length of a key and of a partition, in hexadecimal digits. */
    static final int DIGEST_CHARS = 64;

    /** The first byte of what stands alone; others are not read. */
    private static final byte FORMAT = 1;

    private static final int MAX_NAME_BYTES = 64 << 10;
    private static final int CHECKSUM_BYTES = Integer.BYTES;

    private EntryCodec() {}

    /** What finds an entry. */
    record Head(
            String key,
            String partition,
            String text,
            @Nullable String tenant,
            @Nullable String namespace,
            Embedding embedding) {}

    /** {@return the head of an entry as bytes that tell whether they were changed} */
    static byte[] head(Entry entry) {
        return sealed(out -> writeHead(out, entry));
    }

    /** {@return the body of an entry, as its head} */
    static byte[] body(Entry entry) {
        return sealed(out -> {
            writeText(out, entry.key);
            writeBody(out, entry);
        });
    }

    /** Reads what {@link #head(Entry)} wrote. */
    static Head head(byte[] bytes, int dimension) throws IOException {
        DataInputStream in = unsealed(bytes);
        try {
            return wholly(in, readHead(in, dimension));
        } catch (IllegalArgumentException e) {
            throw new IOException("it holds what no cache writes: " + e.getMessage(), e);
        }
    }

    /** Reads what {@link #body(Entry)} wrote for an entry of this key. */
    static StoredAnswer body(byte[] bytes, String key) throws IOException {
        DataInputStream in = unsealed(bytes);
        if (!readText(in, MAX_NAME_BYTES).equals(key)) {
            throw new IOException("the answer is that of another entry");
        }
        try {
            return wholly(in, readBody(in));
        } catch (IllegalArgumentException | LlmException e) {
            throw new IOException("it holds what no cache writes: " + e.getMessage(), e);
        }
    }

    static void writeHead(DataOutputStream out, Entry entry) throws IOException {
        writeText(out, entry.key);
        writeText(out, entry.partition.substring(0, DIGEST_CHARS));
        out.writeInt(entry.text.length());
        out.writeChars(entry.text); // the digest is of these 16 bits, which need not be well-formed
        writeOptional(out, entry.tenant);
        writeOptional(out, entry.namespace);
        ByteBuffer vector = ByteBuffer.allocate(Float.BYTES * entry.vector.length);
        vector.asFloatBuffer().put(entry.vector);
        out.write(vector.array());
    }

    static Head readHead(DataInputStream in, int dimension) throws IOException {
        String key = readText(in, MAX_NAME_BYTES);
        String partition = readText(in, MAX_NAME_BYTES);
        int length = in.readInt();
        if (length < 0 || length > SemanticCache.MAX_TEXT_CHARS) {
            throw new IOException("a text has " + length + " characters");
        }
        String text = ByteBuffer.wrap(wholeBytes(in, Character.BYTES * length))
                .asCharBuffer()
                .toString();
        String tenant = in.readBoolean() ? readText(in, MAX_NAME_BYTES) : null;
        String namespace = in.readBoolean() ? readText(in, MAX_NAME_BYTES) : null;
        float[] vector = new float[dimension];
        ByteBuffer.wrap(wholeBytes(in, Float.BYTES * dimension)).asFloatBuffer().get(vector);
        if (partition.length() != DIGEST_CHARS || !key.equals(CacheKey.exact(partition, text))) {
            throw new IOException("the key of an entry is not that of its text");
        }
        return new Head(key, partition, text, tenant, namespace, Embedding.of(vector, false));
    }

    static void writeBody(DataOutputStream out, Entry entry) throws IOException {
        out.writeUTF(entry.answer.completion().operation().name());
        byte[] answer = OpenAiJson.writeCompletion(entry.answer.completion());
        out.writeInt(answer.length);
        out.write(answer);
    }

    static StoredAnswer readBody(DataInputStream in) throws IOException {
        Operation operation = Operation.valueOf(in.readUTF());
        byte[] answer = readBytes(in, OpenAiJson.MAX_BODY_BYTES);
        return StoredAnswer.of(OpenAiJson.readCompletion(operation, answer))
                .orElseThrow(() -> new IOException("an answer is not whole"));
    }

    /** What writes to a stream of bytes. */
    private interface Content {
        void write(DataOutputStream out) throws IOException;
    }

    private static byte[] sealed(Content content) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeByte(FORMAT);
            content.write(out);
            out.writeInt(checksum(bytes.toByteArray(), bytes.size()));
        } catch (IOException e) {
            throw new UncheckedIOException("bytes in memory cannot be written", e);
        }
        return bytes.toByteArray();
    }

    private static DataInputStream unsealed(byte[] bytes) throws IOException {
        int length = bytes.length - CHECKSUM_BYTES;
        if (length < 1 || bytes[0] != FORMAT) {
            throw new IOException("it is of another version");
        }
        if (ByteBuffer.wrap(bytes).getInt(length) != checksum(bytes, length)) {
            throw new IOException("its checksum is wrong");
        }
        return new DataInputStream(new ByteArrayInputStream(Arrays.copyOfRange(bytes, 1, length)));
    }

    private static <T> T wholly(DataInputStream in, T read) throws IOException {
        if (in.available() > 0) {
            throw new IOException("there is something behind it");
        }
        return read;
    }

    private static int checksum(byte[] bytes, int length) {
        CRC32C sum = new CRC32C();
        sum.update(bytes, 0, length);
        return (int) sum.getValue();
    }

    private static void writeOptional(DataOutputStream out, @Nullable String text) throws IOException {
        out.writeBoolean(text != null);
        if (text != null) {
            writeText(out, text);
        }
    }

    static void writeText(DataOutputStream out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    static String readText(DataInputStream in, int longest) throws IOException {
        return new String(readBytes(in, longest), StandardCharsets.UTF_8);
    }

    private static byte[] readBytes(DataInputStream in, int longest) throws IOException {
        int length = in.readInt();
        if (length < 0 || length > longest) {
            throw new IOException("it says that " + length + " bytes follow, and at most " + longest + " can");
        }
        return wholeBytes(in, length);
    }

    private static byte[] wholeBytes(DataInputStream in, int length) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new IOException("it ends too early");
        }
        return bytes;
    }
}
