/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.CompletionRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A recording of LLM traffic: who asked for how much, when, and which parts of the prompts were the same. Immutable and
 * thread-safe; replay it as often as you like.
 */
public final class Trace {
    private final List<TraceRequest> requests;
    private final List<CompletionRequest> completionRequests;
    private final PromptShape.Known prompts;
    private final int[] reusableTokens;
    private final double meanOutputTokens;

    private Trace(List<TraceRequest> requests) {
        if (requests.isEmpty()) {
            throw new IllegalArgumentException("a trace has at least one request");
        }
        this.requests = List.copyOf(requests);
        this.completionRequests = this.requests.stream().map(Trace::build).toList();
        this.prompts = new PromptShape.Known(completionRequests);
        this.reusableTokens = reusable(this.requests);
        this.meanOutputTokens = this.requests.stream()
                .mapToInt(TraceRequest::outputTokens)
                .average()
                .orElse(0);
    }

    /**
     * {@return a trace of these requests}
     *
     * @param requests at least one, in the order they came
     */
    public static Trace of(List<TraceRequest> requests) {
        for (int i = 1; i < requests.size(); i++) {
            if (requests.get(i).arrivalSeconds() < requests.get(i - 1).arrivalSeconds()) {
                throw new IllegalArgumentException("request " + i + " came before the one that is listed before it");
            }
        }
        return new Trace(requests);
    }

    /**
     * {@return the trace in a file} Formats are told apart by what is in the file, which may be packed with gzip:
     *
     * <ul>
     *   <li>JSON lines with {@code timestamp} in milliseconds, {@code input_length}, {@code output_length},
     *       {@code hash_ids} of blocks of {@value SimulatedPrompt#BLOCK_TOKENS} tokens: the traces of Mooncake; and
     *       optionally {@code tenant}, {@code session} and {@code think}, the seconds between an answer and the next
     *       request of its session: what {@link #write} writes.
     *   <li>CSV with the columns {@code TIMESTAMP}, {@code ContextTokens} and {@code GeneratedTokens}, which tells
     *       nothing about prefixes: the Azure LLM inference traces of 2023.
     * </ul>
     *
     * <p>An answer of no tokens counts as one of 1.
     *
     * @param file where it is
     * @param limit how many requests to read at most
     * @param broken what to do about a line that cannot be read
     * @throws IOException when the file cannot be read, has no request, or has a broken line that is not to be skipped
     */
    public static Trace read(Path file, int limit, BrokenLines broken) throws IOException {
        return new Trace(new TraceReader(limit, broken).read(file));
    }

    /**
     * Writes the trace as JSON lines that {@link #read} reads.
     *
     * @param file where to; packed with gzip when the name ends with {@code .gz}
     * @throws IOException when it cannot be written
     */
    public void write(Path file) throws IOException {
        TraceWriter.write(requests, file);
    }

    private static CompletionRequest build(TraceRequest request) {
        return CompletionRequest.builder()
                .prompt("")
                .maxTokens(request.outputTokens())
                .extra(request.prompt().extra())
                .build();
    }

    private static int[] reusable(List<TraceRequest> requests) {
        Set<Long> seen = new HashSet<>();
        int[] reusable = new int[requests.size()];
        for (int i = 0; i < reusable.length; i++) {
            SimulatedPrompt prompt = requests.get(i).prompt();
            int reusableBlocks = Math.min(prompt.blocks().size(), (prompt.tokens() - 1) / SimulatedPrompt.BLOCK_TOKENS);
            int hits = 0;
            while (hits < reusableBlocks && seen.contains(prompt.blocks().get(hits))) {
                hits++;
            }
            reusable[i] = hits * SimulatedPrompt.BLOCK_TOKENS;
            seen.addAll(prompt.blocks());
        }
        return reusable;
    }

    /** {@return the requests in the order they came; at least one} */
    public List<TraceRequest> requests() {
        return requests;
    }

    /** {@return requests a second over the whole trace, as it was recorded; infinite or no number when all came at once} */
    public double recordedRate() {
        return (requests.size() - 1) / requests.get(requests.size() - 1).arrivalSeconds();
    }

    /** {@return how long the answers are on average, in tokens} */
    public double meanOutputTokens() {
        return meanOutputTokens;
    }

    /**
     * {@return this trace with a session for each request that has none: requests whose prompts share at least two blocks
     * with an earlier one continue its session, as turns of a conversation do}
     */
    public Trace withDerivedSessions() {
        return new Trace(DerivedSessions.of(requests));
    }

    /** {@return the shapes of the prompts of all its requests} */
    PromptShape.Known prompts() {
        return prompts;
    }

    /** {@return the request at this index, as a balancer takes it} */
    CompletionRequest completionRequest(int index) {
        return completionRequests.get(index);
    }

    /** {@return prompt tokens one engine would have found cached, had it served all before and forgotten nothing} */
    int reusableTokens(int index) {
        return reusableTokens[index];
    }

    @Override
    public String toString() {
        return "Trace{requests=" + requests.size() + "}";
    }

    /** What to do about a line of a trace that cannot be read. */
    @FunctionalInterface
    public interface BrokenLines {
        /** Gives up at the first one. */
        BrokenLines STOP = (line, reason) -> {
            throw new IOException("line " + line + ": " + reason);
        };

        /**
         * Is told about a broken line; returning skips it.
         *
         * @param line its number, from 1
         * @param reason what is wrong with it
         * @throws IOException to give up
         */
        void found(long line, String reason) throws IOException;
    }
}
