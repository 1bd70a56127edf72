/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * An attempt on a {@link ScriptedBackend}, played by the test. Thread-safe; steps return this attempt, so they chain. A
 * step after the end throws {@link IllegalStateException}, unless the end came from the other side (cancel, close).
 *
 * <pre>{@code
 * ScriptedAttempt attempt = backend.takeAttempt();
 * attempt.accept().chunk("Once").chunk(" upon").finish(FinishReason.STOP).complete();
 * }</pre>
 */
public final class ScriptedAttempt {
    private final Attempt<CompletionRequest> attempt;
    private final GenerationSink sink;
    private final Monitor monitor;
    private final Consumer<ScriptedAttempt> onEnd;
    private final Deque<Step> steps = new ArrayDeque<>();
    private long demand;
    private boolean delivering;
    private boolean scriptEnded;
    private boolean cancelAsked;
    private boolean cancelIgnored;
    private boolean ended;

    ScriptedAttempt(
            Attempt<CompletionRequest> attempt, GenerationSink sink, Monitor monitor, Consumer<ScriptedAttempt> onEnd) {
        this.attempt = attempt;
        this.sink = sink;
        this.monitor = monitor;
        this.onEnd = onEnd;
    }

    /** {@return what was asked} */
    public CompletionRequest request() {
        return attempt.request();
    }

    /** {@return the attempt as the backend got it} */
    public Attempt<CompletionRequest> attempt() {
        return attempt;
    }

    /** {@return how many chunks may still go out} */
    public long demand() {
        return monitor.read(() -> demand);
    }

    /** {@return whether the caller cancelled} */
    public boolean isCancelAsked() {
        return monitor.read(() -> cancelAsked);
    }

    /** {@return whether the terminal call was made} */
    public boolean isEnded() {
        return monitor.read(() -> ended);
    }

    /** Accepts, as something in this process does. */
    public ScriptedAttempt accept() {
        return accept(ResponseInfo.IN_PROCESS);
    }

    /** Accepts with this head. */
    public ScriptedAttempt accept(ResponseInfo head) {
        return add(new Step(() -> sink.accepted(head), false, false));
    }

    /** Gives a sign of life. */
    public ScriptedAttempt alive() {
        return add(new Step(sink::alive, false, false));
    }

    /** Sends text of the first choice, once it is asked for. */
    public ScriptedAttempt chunk(String text) {
        return chunk(CompletionChunk.text(0, text));
    }

    /** Sends a chunk, once it is asked for; steps behind it wait. */
    public ScriptedAttempt chunk(CompletionChunk chunk) {
        return add(new Step(() -> sink.chunk(chunk), true, false));
    }

    /** Sends the chunk that ends the first choice, once it is asked for. */
    public ScriptedAttempt finish(FinishReason reason) {
        return chunk(CompletionChunk.finish(0, reason));
    }

    /** Completes, once the chunks before have gone out. */
    public ScriptedAttempt complete() {
        return add(new Step(sink::completed, false, true));
    }

    /** Fails, once the chunks before have gone out. */
    public ScriptedAttempt fail(LlmException.Reason reason) {
        return fail(new LlmException(reason, "scripted " + reason));
    }

    /** Fails with this error, once the chunks before have gone out. */
    public ScriptedAttempt fail(LlmException cause) {
        return add(new Step(() -> sink.failed(cause), false, true));
    }

    /** From now on a cancel only sets {@link #isCancelAsked}: the script goes on, up to {@link #cancelled} or another end. */
    public ScriptedAttempt ignoreCancel() {
        monitor.update(() -> cancelIgnored = true);
        return this;
    }

    /** Ends as cancelled: the late obedience of a backend that ignored the cancel at first. */
    public ScriptedAttempt cancelled() {
        return add(new Step(sink::cancelled, false, true));
    }

    /** {@return the sink itself, to break its grammar on purpose: two ends, chunks nobody asked for} */
    public GenerationSink sink() {
        return sink;
    }

    Generation generation() {
        return new Generation() {
            @Override
            public void request(int chunks) {
                monitor.update(() -> demand += chunks);
                deliver();
            }

            @Override
            public void cancel() {
                boolean obey = monitor.read(() -> {
                    monitor.update(() -> cancelAsked = true);
                    return !cancelIgnored;
                });
                if (obey) {
                    endNow(sink::cancelled);
                }
            }
        };
    }

    void close() {
        endNow(() -> sink.failed(new LlmException(LlmException.Reason.UNAVAILABLE, "the backend was closed")));
    }

    private void endNow(Runnable terminal) {
        monitor.update(() -> {
            steps.clear();
            steps.add(new Step(terminal, false, true));
        });
        deliver();
    }

    private ScriptedAttempt add(Step step) {
        monitor.update(() -> {
            if (scriptEnded) {
                throw new IllegalStateException("the script of " + attempt + " has its end already");
            }
            scriptEnded = step.terminal;
            steps.add(step);
        });
        deliver();
        return this;
    }

    /** Makes the calls that are possible now, unless a call is being made: whoever makes it makes these, too. */
    private void deliver() {
        boolean mine = monitor.read(() -> {
            boolean free = !delivering;
            delivering = true;
            return free;
        });
        if (!mine) {
            return;
        }
        boolean failed = true;
        try {
            for (Step step = next(); step != null; step = next()) {
                step.call.run();
            }
            failed = false;
        } finally {
            if (failed) { // a sink must not throw; when one does, the script stays usable
                monitor.update(() -> delivering = false);
            }
        }
    }

    private @Nullable Step next() {
        return monitor.<@Nullable Step>read(() -> {
            Step step = ended ? null : steps.peek();
            if (step == null || (step.needsDemand && demand == 0)) {
                delivering = false;
                return null;
            }
            steps.remove();
            if (step.needsDemand) {
                demand--;
            }
            if (step.terminal) {
                monitor.update(() -> ended = true);
                onEnd.accept(this);
            }
            return step;
        });
    }

    @Override
    public String toString() {
        return "ScriptedAttempt{" + attempt + ", ended=" + isEnded() + "}";
    }

    private record Step(Runnable call, boolean needsDemand, boolean terminal) {}
}
