/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.Logprobs;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.TokenLogprob;
import io.balancedllm.completion.ToolCallDelta;
import io.balancedllm.completion.Usage;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** An answer that may be given again, and how it is given: as a stream, marked as cached. Immutable, thread-safe. */
public final class StoredAnswer {
    /** The field of {@link Usage#extra()} that is true on the usage of a reused answer. */
    public static final String CACHED_FIELD = "cached";

    /** What an answer takes beside its texts: objects, arrays and the table it is kept in. */
    private static final int OVERHEAD_BYTES = 512;

    /** What a chunk takes beside its text. */
    private static final int CHUNK_BYTES = 128;

    private static final int BYTES_OF_A_LOGPROB = 96;
    /** About the length of a token, where the words are longer than that. */
    private static final int LONGEST_PIECE = 16;

    private final Completion completion;
    private final long bytes;

    private StoredAnswer(Completion completion) {
        this.completion = completion;
        this.bytes = weigh(completion);
    }

    /**
     * {@return the answer, if it may be given again} That is one whose every choice was ended by the model itself
     * ({@code stop}), has text, and neither calls tools nor refuses. A cut, filtered or failed answer is none.
     */
    public static Optional<StoredAnswer> of(Completion completion) {
        if (completion.choices().isEmpty() || !completion.choices().stream().allMatch(StoredAnswer::isWhole)) {
            return Optional.empty();
        }
        return Optional.of(new StoredAnswer(completion
                .newBuilder()
                .decision(null)
                .usage(completion.usage().map(StoredAnswer::cached).orElse(null))
                .build()));
    }

    private static boolean isWhole(Choice choice) {
        Message message = choice.message();
        return FinishReason.STOP.equals(choice.finishReasonOrNull())
                && message.toolCalls().isEmpty()
                && message.parts().isEmpty()
                && message.refusal().isEmpty()
                && !message.text().isEmpty();
    }

    /** {@return the chunk as it is given to a call it was not generated for: its usage carries {@link #CACHED_FIELD}} */
    public static CompletionChunk reused(CompletionChunk chunk) {
        if (chunk instanceof CompletionChunk.UsageOnly only) {
            return new CompletionChunk.UsageOnly(cached(only.value()), only.extra());
        }
        if (chunk instanceof CompletionChunk.Delta delta && delta.usage().isPresent()) {
            return delta.newBuilder().usage(cached(delta.usage().get())).build();
        }
        return chunk;
    }

    /** {@return about how many bytes of memory a chunk takes} */
    public static long bytesOf(CompletionChunk chunk) {
        int text = chunk.text().length();
        if (chunk instanceof CompletionChunk.Delta delta) {
            text += delta.reasoning().length() + delta.refusal().length();
            for (ToolCallDelta call : delta.toolCalls()) {
                text += call.arguments().length();
            }
        }
        return CHUNK_BYTES + (long) Character.BYTES * text;
    }

    private static Usage cached(Usage counts) {
        Map<String, @Nullable Object> extra = new LinkedHashMap<>(counts.extra());
        extra.put(CACHED_FIELD, true);
        Usage.Builder marked =
                Usage.builder(counts.promptTokens(), counts.completionTokens()).extra(extra);
        counts.cachedTokens().ifPresent(marked::cachedTokens);
        counts.createdCacheTokens().ifPresent(marked::createdCacheTokens);
        counts.reasoningTokens().ifPresent(marked::reasoningTokens);
        return marked.build();
    }

    /** {@return the answer; its usage carries {@link #CACHED_FIELD}} */
    public Completion completion() {
        return completion;
    }

    /** {@return about how many bytes of memory it takes} */
    public long bytes() {
        return bytes;
    }

    /**
     * {@return the answer as a stream of small chunks, about a word each} Put together they make the answer again; the
     * last one carries the usage, where there is one. Choices follow one another.
     */
    public List<CompletionChunk> chunks() {
        List<CompletionChunk> chunks = new ArrayList<>();
        for (Choice choice : completion.choices()) {
            Message message = choice.message();
            chunks.add(
                    delta(choice.index(), chunks.isEmpty()).role(message.role()).build());
            for (String piece : pieces(message.reasoning().orElse(""))) {
                chunks.add(delta(choice.index(), false).reasoning(piece).build());
            }
            List<String> pieces = pieces(message.text());
            List<TokenLogprob> logprobs =
                    choice.logprobs().map(Logprobs::tokens).orElse(List.of());
            for (int i = 0; i < pieces.size(); i++) {
                CompletionChunk.Delta.Builder delta =
                        delta(choice.index(), false).content(pieces.get(i));
                if (i == 0 && choice.logprobs().isPresent()) {
                    delta.logprobs(new Logprobs(logprobs));
                }
                chunks.add(delta.build());
            }
            chunks.add(delta(choice.index(), false)
                    .finishReason(choice.finishReasonOrNull())
                    .build());
        }
        completion.usage().ifPresent(usage -> chunks.add(new CompletionChunk.UsageOnly(usage)));
        return chunks;
    }

    private CompletionChunk.Delta.Builder delta(int index, boolean first) {
        CompletionChunk.Delta.Builder delta = CompletionChunk.Delta.builder(index)
                .id(completion.id().orElse(null))
                .model(completion.model().orElse(null));
        return first ? delta.extra(completion.extra()) : delta;
    }

    /** Words with the blanks before them; long ones cut, never inside a character. */
    private static List<String> pieces(String text) {
        List<String> pieces = new ArrayList<>();
        int start = 0;
        for (int i = 1; i <= text.length(); i++) {
            boolean wordBegins = i < text.length()
                    && Character.isWhitespace(text.charAt(i))
                    && !Character.isWhitespace(text.charAt(i - 1));
            boolean insideCharacter =
                    i < text.length() && Character.isSurrogatePair(text.charAt(i - 1), text.charAt(i));
            if (i == text.length() || wordBegins || (i - start >= LONGEST_PIECE && !insideCharacter)) {
                pieces.add(text.substring(start, i));
                start = i;
            }
        }
        return pieces;
    }

    private static long weigh(Completion completion) {
        long bytes = OVERHEAD_BYTES;
        for (Choice choice : completion.choices()) {
            bytes += OVERHEAD_BYTES
                    + (long) Character.BYTES
                            * (choice.message().text().length()
                                    + choice.message().reasoning().orElse("").length());
            bytes += (long) BYTES_OF_A_LOGPROB
                    * choice.logprobs().map(Logprobs::tokens).orElse(List.of()).stream()
                            .mapToLong(token -> 1 + token.top().size())
                            .sum();
        }
        return bytes;
    }

    @Override
    public String toString() {
        return "StoredAnswer{bytes=" + bytes + "}";
    }
}
