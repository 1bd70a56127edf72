/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Prompt;
import io.balancedllm.prefix.PromptBlocks;
import io.balancedllm.prefix.PromptEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * The blocks of a conversation of 64 messages, 256 kB together, beside three digests of the JDK over the same messages:
 * of 256 bytes at a time, chained. Each makes the UTF-8 of the messages first, as it must.
 */
public class HashBenchmark {
    private static final int MESSAGES = 64;
    private static final int MESSAGE_BYTES = 4_096;
    private static final int BLOCK_BYTES = 256;

    /** Bytes of the conversation. */
    static final int BYTES = MESSAGES * MESSAGE_BYTES;

    /** The conversation. */
    @State(Scope.Benchmark)
    public static class Conversation {
        final PromptEncoder encoder = PromptEncoder.bytes();
        final CallOptions session = CallOptions.builder().session("a").build();
        final CompletionRequest request = request(MESSAGES);

        /** The conversation as it grows, the history made anew each time, as by a gateway that parses every request. */
        final CompletionRequest[] turns = new CompletionRequest[MESSAGES];

        /** Makes the turns. */
        @Setup
        public void grow() {
            for (int turn = 0; turn < turns.length; turn++) {
                turns[turn] = request(turn + 1);
            }
        }

        private static CompletionRequest request(int messages) {
            CompletionRequest.Builder request = CompletionRequest.builder("m");
            for (int i = 0; i < messages; i++) {
                request.user((i + " bottles of beer on the wall. ".repeat(MESSAGE_BYTES)).substring(0, MESSAGE_BYTES));
            }
            return request.build();
        }

        String text(int message) {
            return ((Prompt.Chat) request.prompt()).messages().get(message).text();
        }
    }

    /** All of it. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public PromptBlocks ours(Conversation conversation) {
        return conversation.encoder.encode(conversation.request, CallOptions.DEFAULT);
    }

    /** A turn of a session that grows from one message to all, on average. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    @OperationsPerInvocation(MESSAGES)
    public int turnOfSession(Conversation conversation) {
        return encodeTurns(conversation, conversation.session);
    }

    /** The same where nobody says that it is a session. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    @OperationsPerInvocation(MESSAGES)
    public int turnAnew(Conversation conversation) {
        return encodeTurns(conversation, CallOptions.DEFAULT);
    }

    private static int encodeTurns(Conversation conversation, CallOptions options) {
        int blocks = 0;
        for (CompletionRequest turn : conversation.turns) {
            blocks += conversation.encoder.encode(turn, options).size();
        }
        return blocks;
    }

    /** CRC-32C, by the processor's own instruction. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public long crc32c(Conversation conversation) {
        CRC32C crc = new CRC32C();
        long sum = 0;
        for (int message = 0; message < MESSAGES; message++) {
            byte[] bytes = conversation.text(message).getBytes(StandardCharsets.UTF_8);
            for (int at = 0; at < bytes.length; at += BLOCK_BYTES) {
                crc.update(bytes, at, BLOCK_BYTES);
                sum += crc.getValue();
            }
        }
        return sum;
    }

    /** The hash of arrays. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public long arraysHashCode(Conversation conversation) {
        long sum = 0;
        for (int message = 0; message < MESSAGES; message++) {
            byte[] bytes = conversation.text(message).getBytes(StandardCharsets.UTF_8);
            for (int at = 0; at < bytes.length; at += BLOCK_BYTES) {
                sum = 31 * sum + Arrays.hashCode(Arrays.copyOfRange(bytes, at, at + BLOCK_BYTES));
            }
        }
        return sum;
    }

    /** SHA-256, as vLLM's default. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public byte[] sha256(Conversation conversation) throws NoSuchAlgorithmException {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        byte[] last = new byte[0];
        for (int message = 0; message < MESSAGES; message++) {
            byte[] bytes = conversation.text(message).getBytes(StandardCharsets.UTF_8);
            for (int at = 0; at < bytes.length; at += BLOCK_BYTES) {
                digest.update(last);
                digest.update(bytes, at, BLOCK_BYTES);
                last = digest.digest();
            }
        }
        return last;
    }
}
