/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.endpoint.ResponseInfo;
import io.balancedllm.event.AttemptInfo;
import io.balancedllm.event.AttemptListener;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.HeaderSink;
import io.balancedllm.event.LlmListener;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;

/** Writes down, one letter each, what is told about every call, and holds it against the grammar of listeners. */
final class RecordingListener implements LlmListener {
    /** Start, wait, attempt, accepted, first token, end of attempt, end of call: the grammar that LlmListener documents. */
    private static final Pattern GRAMMAR = Pattern.compile("S[WACFE]*X");

    private static final Pattern ATTEMPT_GRAMMAR = Pattern.compile("AC?F?E");
    /** Without a hedge attempts come one after the other. */
    private static final Pattern SERIAL_GRAMMAR = Pattern.compile("S(W?AC?F?E)*W?X");

    private final Map<String, String> told = new ConcurrentHashMap<>();
    private final Map<String, String> toldOfAttempts = new ConcurrentHashMap<>();
    final ConcurrentLinkedQueue<CallEnd> ends = new ConcurrentLinkedQueue<>();
    final ConcurrentLinkedQueue<AttemptSummary> attempts = new ConcurrentLinkedQueue<>();

    @Override
    public CallListener callStarted(CallInfo call) {
        if (told.put(call.callId(), "S") != null) {
            throw new IllegalStateException("started twice: " + call);
        }
        return new Recorder(call.callId());
    }

    /** {@return what was told of each call, in no order that means something} */
    List<String> stories() {
        return List.copyOf(told.values());
    }

    void assertGrammar() {
        assertThat(told.entrySet())
                .as("calls told out of order")
                .filteredOn(call -> !GRAMMAR.matcher(call.getValue()).matches())
                .isEmpty();
        assertThat(toldOfAttempts.entrySet())
                .as("attempts told out of order")
                .filteredOn(
                        attempt -> !ATTEMPT_GRAMMAR.matcher(attempt.getValue()).matches())
                .isEmpty();
    }

    /** The grammar of calls that are not hedged. */
    void assertSerialGrammar() {
        assertGrammar();
        assertThat(told.values())
                .allMatch(story -> SERIAL_GRAMMAR.matcher(story).matches());
    }

    private final class Recorder implements CallListener {
        private final String call;
        private final AtomicBoolean busy = new AtomicBoolean();

        Recorder(String call) {
            this.call = call;
        }

        private void tell(String letter) {
            boolean alone = busy.compareAndSet(false, true);
            told.merge(call, alone ? letter : "!", String::concat); // a letter of no grammar: two at a time
            busy.set(false);
        }

        @Override
        public void waiting() {
            tell("W");
        }

        @Override
        public AttemptListener attemptStarted(AttemptInfo attempt, HeaderSink headers) {
            String key = call + "/" + attempt.number();
            tellOf(key, "A");
            return new AttemptListener() {
                @Override
                public void accepted(ResponseInfo info) {
                    tellOf(key, "C");
                }

                @Override
                public void firstToken() {
                    tellOf(key, "F");
                }

                @Override
                public void ended(AttemptSummary summary) {
                    attempts.add(summary);
                    tellOf(key, "E");
                }
            };
        }

        private void tellOf(String attempt, String letter) {
            toldOfAttempts.merge(attempt, letter, String::concat);
            tell(letter);
        }

        @Override
        public void ended(CallEnd end) {
            ends.add(end);
            tell("X");
        }
    }
}
