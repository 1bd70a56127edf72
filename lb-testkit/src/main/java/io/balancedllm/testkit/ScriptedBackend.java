/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A backend without a mind of its own: the test says step by step what each attempt does. Has no thread: an answer's
 * next step goes out on the thread that made it possible (that wrote it, asked for chunks, or cancelled). Thread-safe.
 *
 * <pre>{@code
 * ScriptedBackend backend = new ScriptedBackend();
 * RecordingSink sink = RecordingSink.start(backend, CompletionRequest.of("Once"));
 * backend.takeAttempt().accept().chunk(" upon").fail(LlmException.Reason.TRUNCATED);
 * }</pre>
 *
 * <p>Within the grammar whatever the script says: chunks wait for demand, a cancel drops what has not gone out and ends
 * the attempt, close fails it. {@link ScriptedAttempt#ignoreCancel} and {@link ScriptedAttempt#sink} step outside.
 */
public final class ScriptedBackend implements LlmBackend {
    private final Monitor monitor = new Monitor();
    private final Deque<ScriptedAttempt> untaken = new ArrayDeque<>();
    private final List<ScriptedAttempt> running = new ArrayList<>();
    private volatile Consumer<ScriptedAttempt> onStart = attempt -> {};
    private volatile Function<Attempt<EmbeddingRequest>, CompletionStage<Embeddings>> onEmbed =
            attempt -> LlmBackend.super.embed(attempt);
    private volatile CompletionStage<ProbeResult> health = CompletableFuture.completedFuture(ProbeResult.READY);
    private volatile CompletionStage<Optional<EngineReport>> load = CompletableFuture.completedFuture(Optional.empty());
    private volatile BackendTraits traits = BackendTraits.UNKNOWN;
    private int started;
    private boolean closed;

    /** {@return a backend that answers each attempt with these pieces of text, without further orders} */
    public static ScriptedBackend answering(String... pieces) {
        List<String> text = List.of(pieces);
        return new ScriptedBackend().onStart(attempt -> {
            attempt.accept();
            text.forEach(attempt::chunk);
            attempt.finish(FinishReason.STOP).complete();
        });
    }

    /** Says what attempts from now on do at their start, before {@link #start} returns. */
    public ScriptedBackend onStart(Consumer<ScriptedAttempt> script) {
        onStart = script;
        return this;
    }

    /** Says how embedding attempts are answered; without it they are unsupported. */
    public ScriptedBackend onEmbed(Function<Attempt<EmbeddingRequest>, CompletionStage<Embeddings>> script) {
        onEmbed = script;
        return this;
    }

    /** Sets what probes find; ready without it. */
    public ScriptedBackend health(ProbeResult result) {
        health = CompletableFuture.completedFuture(result);
        return this;
    }

    /** Sets what probes wait for, a stage that never completes for instance. */
    public ScriptedBackend health(CompletionStage<ProbeResult> result) {
        health = result;
        return this;
    }

    /** Sets what it says of its load when it is asked; nothing without it. */
    public ScriptedBackend load(EngineReport report) {
        return load(CompletableFuture.completedFuture(Optional.of(report)));
    }

    /** Sets what those who ask for its load wait for. */
    public ScriptedBackend load(CompletionStage<Optional<EngineReport>> report) {
        load = report;
        return this;
    }

    /** Sets the traits; unknown without it. */
    public ScriptedBackend traits(BackendTraits traits) {
        this.traits = traits;
        return this;
    }

    /** {@return the oldest attempt not taken yet} */
    public ScriptedAttempt takeAttempt() {
        return takeAttempt(Duration.ZERO);
    }

    /**
     * {@return the oldest attempt not taken yet}
     *
     * @param patience how long to wait for it, in real time
     * @throws AssertionError when there is none in time
     */
    public ScriptedAttempt takeAttempt(Duration patience) {
        monitor.await(patience, () -> !untaken.isEmpty());
        ScriptedAttempt attempt = monitor.<@Nullable ScriptedAttempt>read(untaken::poll);
        if (attempt == null) {
            throw new AssertionError("no attempt was started within " + patience + "; all there were: " + started());
        }
        return attempt;
    }

    /** {@return how many attempts were ever started} */
    public int started() {
        return monitor.read(() -> started);
    }

    /** {@return how many attempts have not ended} */
    public int running() {
        return monitor.read(running::size);
    }

    @Override
    public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
        ScriptedAttempt script = new ScriptedAttempt(attempt, sink, monitor, running::remove);
        // Read before the attempt can be taken: whoever has taken it may say what the next ones do.
        Consumer<ScriptedAttempt> order = onStart;
        boolean open = monitor.read(() -> {
            started++;
            if (!closed) {
                running.add(script);
                monitor.update(() -> untaken.add(script));
            }
            return !closed;
        });
        if (open) {
            order.accept(script);
        } else {
            script.close();
        }
        return script.generation();
    }

    @Override
    public CompletionStage<ProbeResult> probe(Duration timeout) {
        boolean dead = monitor.read(() -> closed);
        return dead
                ? CompletableFuture.completedFuture(new ProbeResult(ProbeResult.Status.UNHEALTHY, "closed"))
                : health;
    }

    @Override
    public CompletionStage<Optional<EngineReport>> report(Duration timeout) {
        return load;
    }

    @Override
    public CompletionStage<Embeddings> embed(Attempt<EmbeddingRequest> attempt) {
        return onEmbed.apply(attempt);
    }

    @Override
    public BackendTraits traits() {
        return traits;
    }

    @Override
    public void close() {
        List<ScriptedAttempt> left = monitor.read(() -> {
            closed = true;
            return List.copyOf(running);
        });
        left.forEach(ScriptedAttempt::close);
    }

    @Override
    public String toString() {
        return monitor.read(() -> "ScriptedBackend{started=" + started + ", running=" + running + "}");
    }
}
