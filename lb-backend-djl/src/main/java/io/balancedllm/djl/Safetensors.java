/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * One file in the safetensors format: eight bytes of header length, a JSON header, then the tensors. Tensors are read one
 * by one when asked for, and a file that changed since its header was read is refused. The header is checked before anything is believed: length, JSON, types, shapes,
 * offsets in range and not overlapping, size equal to shape times width. Memory spent on a hostile header is bounded by
 * {@link #MAX_HEADER_BYTES} and {@link #MAX_TENSORS}.
 */
final class Safetensors {
    /** The limit of the format's reference implementation. */
    static final int MAX_HEADER_BYTES = 100_000_000;

    static final int MAX_TENSORS = 100_000;
    private static final int MAX_RANK = 8;
    private static final Map<String, Integer> WIDTHS = Map.ofEntries(
            Map.entry("BOOL", 1),
            Map.entry("U8", 1),
            Map.entry("I8", 1),
            Map.entry("F8_E4M3", 1),
            Map.entry("F8_E5M2", 1),
            Map.entry("I16", 2),
            Map.entry("U16", 2),
            Map.entry("F16", 2),
            Map.entry("BF16", 2),
            Map.entry("I32", 4),
            Map.entry("U32", 4),
            Map.entry("F32", 4),
            Map.entry("I64", 8),
            Map.entry("U64", 8),
            Map.entry("F64", 8));

    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(4)
                    .maxNameLength(1_024)
                    .maxStringLength(1 << 20)
                    .maxNumberLength(24)
                    .build())
            .build();

    /** Where the bytes come from. */
    private interface Source {
        /** Fills the buffer with the bytes that begin at this one. */
        void read(long from, ByteBuffer into) throws IOException;
    }

    private final String file;
    private final Source source;
    private final Map<String, TensorEntry> entries = new LinkedHashMap<>();

    private Safetensors(String file, long size, Source source) throws IOException {
        this.file = file;
        this.source = source;
        if (size < 8) {
            throw invalid("is " + size + " bytes long, too short for a header");
        }
        ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        source.read(0, length);
        long headerLength = length.getLong(0);
        if (headerLength < 2 || headerLength > MAX_HEADER_BYTES || headerLength > size - 8) {
            throw invalid("says its header is " + headerLength + " bytes long; 2 to "
                    + Math.min(MAX_HEADER_BYTES, size - 8) + " are possible");
        }
        byte[] header = new byte[(int) headerLength];
        source.read(8, ByteBuffer.wrap(header));
        long dataStart = 8 + headerLength;
        try (JsonParser parser = JSON.createParser(new ByteArrayInputStream(header))) {
            readHeader(parser, dataStart, size - dataStart);
        } catch (JsonProcessingException e) {
            throw invalid("has a header that is not valid JSON (" + e.getOriginalMessage() + ")");
        }
        refuseOverlaps();
    }

    /** Opens a file. */
    static Safetensors open(Path path) {
        try {
            BasicFileAttributes opened = Files.readAttributes(path, BasicFileAttributes.class);
            return new Safetensors(path.toString(), opened.size(), (from, into) -> {
                try (FileChannel channel = FileChannel.open(path)) {
                    readFully(channel, from, into);
                }
                refuseChange(path, opened);
            });
        } catch (IOException e) {
            throw new InvalidModelException(path + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** Reads a file that is in memory already. */
    static Safetensors of(String name, ByteBuffer whole) {
        try {
            return new Safetensors(
                    name, whole.remaining(), (from, into) -> into.put(whole.slice((int) from, into.remaining())));
        } catch (IOException e) {
            throw new InvalidModelException(name + " cannot be read: " + e.getMessage(), e);
        }
    }

    private static void readFully(FileChannel channel, long from, ByteBuffer into) throws IOException {
        long position = from;
        while (into.hasRemaining()) {
            int count = channel.read(into, position);
            if (count < 0) {
                throw new EOFException("the file ends at byte " + position);
            }
            position += count;
        }
    }

    /** Numbers of two files must not be mixed; a file replaced after loading does no harm. */
    private static void refuseChange(Path path, BasicFileAttributes opened) throws IOException {
        BasicFileAttributes now = Files.readAttributes(path, BasicFileAttributes.class);
        boolean same = now.size() == opened.size()
                && now.lastModifiedTime().equals(opened.lastModifiedTime())
                && Objects.equals(now.fileKey(), opened.fileKey());
        if (!same) {
            throw new IOException("the file was replaced while it was read: load the model again");
        }
    }

    Iterable<String> names() {
        return entries.keySet();
    }

    /** {@return the tensor of this name, which the file must have} */
    Tensor tensor(String name) {
        TensorEntry entry = entries.get(name);
        if (entry == null) {
            throw invalid("has no tensor " + name);
        }
        if (entry.length() > Integer.MAX_VALUE) {
            throw invalid(name, "is larger than 2 GiB, which no GPT-2 tensor is");
        }
        return new Tensor(
                file, name, entry.type(), entry.shape(), (from, into) -> source.read(entry.start() + from, into));
    }

    private void readHeader(JsonParser parser, long dataStart, long dataLength) throws IOException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw invalid("has a header that is not a JSON object");
        }
        boolean metadataSeen = false;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            parser.nextToken();
            if (name.equals("__metadata__")) {
                if (metadataSeen) {
                    throw invalid("has __metadata__ twice");
                }
                metadataSeen = true;
                parser.skipChildren();
                continue;
            }
            if (entries.size() == MAX_TENSORS) {
                throw invalid("has more than " + MAX_TENSORS + " tensors");
            }
            TensorEntry entry = readEntry(parser, name, dataStart, dataLength);
            if (entries.put(name, entry) != null) {
                throw invalid("has tensor " + name + " twice");
            }
        }
        if (parser.nextToken() != null) {
            throw invalid("has text after its header's JSON object");
        }
    }

    private TensorEntry readEntry(JsonParser parser, String name, long dataStart, long dataLength) throws IOException {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw invalid(name, "is not described by a JSON object");
        }
        String type = null;
        long[] shape = null;
        long[] offsets = null;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String field = parser.currentName();
            parser.nextToken();
            if (field.equals("dtype") && type == null && parser.currentToken() == JsonToken.VALUE_STRING) {
                type = parser.getText();
            } else if (field.equals("shape") && shape == null) {
                shape = readNumbers(parser, name, field, MAX_RANK);
            } else if (field.equals("data_offsets") && offsets == null) {
                offsets = readNumbers(parser, name, field, 2);
            } else {
                throw invalid(name, "has an unexpected, repeated or malformed field " + field);
            }
        }
        if (type == null || shape == null || offsets == null || offsets.length != 2) {
            throw invalid(name, "needs dtype, shape and two data_offsets");
        }
        Integer width = WIDTHS.get(type);
        if (width == null) {
            throw invalid(name, "has unknown dtype " + type);
        }
        if (offsets[0] > offsets[1] || offsets[1] > dataLength) {
            throw invalid(
                    name, "lies at " + Arrays.toString(offsets) + ", outside of the " + dataLength + " bytes of data");
        }
        if (!sizeIs(offsets[1] - offsets[0], shape, width)) {
            throw invalid(
                    name,
                    "takes " + (offsets[1] - offsets[0]) + " bytes, but shape " + Arrays.toString(shape) + " of " + type
                            + " needs another number");
        }
        return new TensorEntry(type, shape, dataStart + offsets[0], offsets[1] - offsets[0]);
    }

    private long[] readNumbers(JsonParser parser, String name, String field, int limit) throws IOException {
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw invalid(name, "has a " + field + " that is not an array");
        }
        long[] numbers = new long[limit];
        int count = 0;
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT || count == limit) {
                throw invalid(name, "has a " + field + " that is not a short array of whole numbers");
            }
            numbers[count] = parser.getLongValue();
            if (numbers[count] < 0) {
                throw invalid(name, "has a negative number in " + field);
            }
            count++;
        }
        return Arrays.copyOf(numbers, count);
    }

    private static boolean sizeIs(long size, long[] shape, int width) {
        try {
            long expected = width;
            for (long dimension : shape) {
                expected = Math.multiplyExact(expected, dimension);
            }
            return expected == size;
        } catch (ArithmeticException overflow) {
            return false;
        }
    }

    private void refuseOverlaps() {
        List<Map.Entry<String, TensorEntry>> sorted = new ArrayList<>(entries.entrySet());
        sorted.sort(Comparator.comparingLong(entry -> entry.getValue().start()));
        long end = 0;
        for (Map.Entry<String, TensorEntry> entry : sorted) {
            TensorEntry tensor = entry.getValue();
            if (tensor.length() > 0 && tensor.start() < end) {
                throw invalid(entry.getKey(), "overlaps the tensor before it");
            }
            end = Math.max(end, tensor.start() + tensor.length());
        }
    }

    private InvalidModelException invalid(String what) {
        return new InvalidModelException(
                file + " " + what + ": the file is damaged or no safetensors file, fetch it again");
    }

    private InvalidModelException invalid(String tensor, String what) {
        return new InvalidModelException(
                file + ": tensor " + tensor + " " + what + ": the file is damaged, fetch it again");
    }

    /** One tensor of the header; {@code start} counts from the beginning of the file. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record TensorEntry(String type, long[] shape, long start, long length) {}
}
