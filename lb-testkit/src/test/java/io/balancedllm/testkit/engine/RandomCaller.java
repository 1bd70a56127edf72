/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;

/** Somebody who made one call, in one of the three ways that wait for nothing, and sees how it ends. */
abstract class RandomCaller {
    /** Does something a caller may do at any time: reads, asks for more, or gives up. */
    abstract void act(Random random, int readable);

    /** Reads what is left. */
    abstract void finish();

    /** {@return the text of the answer, null for a call that ended without one} */
    abstract @Nullable String answer();

    /** {@return what was read so far, in full or in part} */
    abstract String read();

    abstract boolean hasEnded();

    /** {@return whether what was read is the whole answer} */
    boolean isWhole() {
        return answer() != null;
    }

    /** {@return how many chunks were read} */
    int chunksRead() {
        return 0;
    }

    static RandomCaller of(BalancedLlm llm, CompletionRequest request, Random random) {
        return switch (random.nextInt(3)) {
            case 0 -> new Waiter(llm.completeAsync(request));
            case 1 -> new Reader(llm.stream(request));
            default -> {
                Subscriber subscriber = new Subscriber(random.nextInt(20));
                llm.publish(request).subscribe(subscriber);
                yield subscriber;
            }
        };
    }

    private static final class Waiter extends RandomCaller {
        private final CompletableFuture<Completion> future;

        Waiter(CompletableFuture<Completion> future) {
            this.future = future;
        }

        @Override
        void act(Random random, int readable) {
            if (random.nextInt(12) == 0) {
                future.cancel(true);
            }
        }

        @Override
        void finish() {}

        @Override
        @Nullable
        String answer() {
            return future.isCompletedExceptionally() ? null : future.join().text();
        }

        @Override
        String read() {
            String answer = answer();
            return answer == null ? "" : answer;
        }

        @Override
        boolean hasEnded() {
            return future.isDone();
        }
    }

    private static final class Reader extends RandomCaller {
        private final CompletionStream stream;
        private final StringBuilder read = new StringBuilder();
        private int chunks;
        private boolean failed;
        private boolean closed;

        Reader(CompletionStream stream) {
            this.stream = stream;
        }

        @Override
        void act(Random random, int readable) {
            if (random.nextInt(12) == 0) {
                stream.close();
                closed = true;
            } else if (readable > chunks && !hasEnded()) {
                read.append(stream.iterator().next().text());
                chunks++;
            }
        }

        @Override
        void finish() {
            try {
                while (stream.iterator().hasNext()) {
                    read.append(stream.iterator().next().text());
                    chunks++;
                }
            } catch (LlmException e) {
                failed = true;
            }
        }

        @Override
        @Nullable
        String answer() {
            return failed ? null : read.toString();
        }

        @Override
        String read() {
            return read.toString();
        }

        @Override
        boolean isWhole() {
            return !failed && !closed;
        }

        @Override
        boolean hasEnded() {
            return stream.decision().isPresent();
        }

        @Override
        int chunksRead() {
            return chunks;
        }
    }

    private static final class Subscriber extends RandomCaller implements Flow.Subscriber<CompletionChunk> {
        private final int atOnce;
        private final StringBuilder read = new StringBuilder();
        private Flow.@Nullable Subscription subscription;
        private long owed;
        private int chunks;
        private int ends;
        private boolean failed;
        private boolean cancelled;

        Subscriber(int atOnce) {
            this.atOnce = atOnce;
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            if (atOnce == 0) {
                cancel();
            } else if (atOnce < 10) {
                request(atOnce);
            }
        }

        private void cancel() {
            cancelled = true;
            if (subscription != null) {
                subscription.cancel();
            }
        }

        private void request(int chunks) {
            owed += chunks;
            if (subscription != null) {
                subscription.request(chunks);
            }
        }

        @Override
        public void onNext(CompletionChunk chunk) {
            assertThat(cancelled).as("chunk after a cancel").isFalse();
            assertThat(ends).as("chunk after the end").isZero();
            assertThat(--owed).as("chunk that was not asked for").isNotNegative();
            read.append(chunk.text());
            chunks++;
        }

        @Override
        public void onError(Throwable failure) {
            failed = true;
            ends++;
        }

        @Override
        public void onComplete() {
            ends++;
        }

        @Override
        void act(Random random, int readable) {
            if (random.nextInt(15) == 0) {
                cancel();
            } else {
                request(1 + random.nextInt(4));
            }
        }

        @Override
        void finish() {
            request(1_000_000);
        }

        @Override
        @Nullable
        String answer() {
            return failed || cancelled ? null : read.toString();
        }

        @Override
        String read() {
            return read.toString();
        }

        @Override
        boolean hasEnded() {
            assertThat(ends).as("ends").isLessThanOrEqualTo(1);
            return cancelled || ends == 1;
        }

        @Override
        int chunksRead() {
            return chunks;
        }
    }
}
