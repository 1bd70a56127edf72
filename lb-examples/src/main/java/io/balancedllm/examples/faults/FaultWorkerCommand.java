/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import io.balancedllm.testkit.MockLlmServer;
import io.balancedllm.testkit.MockResponse;
import io.balancedllm.testkit.ServedRequest;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * A worker of the bench, in a process of its own so that it can be frozen and killed. Reads how to behave, a line each
 * time, and says on standard output that it listens, and each request it gets.
 */
@Command(name = "fault-worker", description = "A worker that fails on demand; for faults.", hidden = true)
public final class FaultWorkerCommand implements Callable<Integer> {
    /** What it says for each request, before the number in its prompt. */
    static final String REQUEST = "request ";
    /** What it says when it behaves as it was told. */
    static final String READY = "ready";
    /** Tokens of an answer, counted through: {@code " 1 2 3"}. */
    static final int TOKENS = 20;
    /** Between two tokens. */
    static final Duration TOKEN_TIME = Duration.ofMillis(10);
    /** The prompt that breaks a poisoned worker. */
    static final String POISON = "poison";

    private static final Pattern PROMPT = Pattern.compile("\"prompt\"\\s*:\\s*\"[a-z]+ (\\d+)\"");
    private static final int SLOWER = 10;
    private static final int CUT_AFTER = 5;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(names = "--port", required = true, description = "The port to listen at.")
    private int port;

    private volatile Behaviour behaviour = Behaviour.OK;
    private @Nullable MockLlmServer server;

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String line = Behaviour.OK.name();
        while (line != null) { // ends with the process that started it
            become(Behaviour.valueOf(line.strip()), out);
            say(out, READY);
            line = in.readLine();
        }
        close();
        return ExitCode.OK;
    }

    private static void say(PrintWriter out, String word) {
        synchronized (out) {
            out.println(word);
            out.flush();
        }
    }

    private void become(Behaviour wanted, PrintWriter out) {
        behaviour = wanted;
        if (wanted == Behaviour.REFUSES) {
            close();
        } else if (server == null) {
            server = MockLlmServer.builder().port(port).start().dispatch(request -> answer(request, out));
        }
    }

    private void close() {
        MockLlmServer open = server;
        if (open != null) {
            open.close();
            server = null;
        }
    }

    private MockResponse answer(ServedRequest request, PrintWriter out) {
        Behaviour now = behaviour;
        if (request.method().equals("POST")) {
            say(out, REQUEST + number(request.body()));
            return completion(request, now);
        }
        return switch (now) {
            case UNAVAILABLE -> MockResponse.error(503, "the engine is dead", "unavailable");
            case LOADING -> loading();
            default -> MockResponse.json(200, "{\"status\": \"ok\"}");
        };
    }

    /** The number at the end of the prompt; those that warm up have none, and count as -1. */
    private static int number(String body) {
        Matcher prompt = PROMPT.matcher(body);
        return prompt.find() ? Integer.parseInt(prompt.group(1)) : -1;
    }

    private static MockResponse loading() {
        return MockResponse.error(503, "Loading model", "unavailable_error");
    }

    private static MockResponse completion(ServedRequest request, Behaviour now) {
        MockResponse good = answer(request).pauseBetween(TOKEN_TIME);
        return switch (now) {
            case OK, REFUSES -> good;
            case UNAVAILABLE -> MockResponse.error(503, "the engine is dead", "unavailable");
            case RATE_LIMITED ->
                MockResponse.error(429, "slow down", "rate_limit_exceeded").header("Retry-After", "2");
            case CUTS -> answer(request).cutAfter(CUT_AFTER).pauseBetween(TOKEN_TIME);
            case IN_BAND_ERROR -> MockResponse.sse().inBandError("the engine has died", "InternalServerError");
            case SLOW -> answer(request).pauseBetween(TOKEN_TIME.multipliedBy(SLOWER));
            case UNAUTHORIZED -> MockResponse.error(401, "Unauthorized", "authentication_error");
            case LOADING -> loading();
            case DRAINING ->
                MockResponse.error(500, "cannot schedule new futures after shutdown", "InternalServerError");
            case POISONED ->
                request.body().contains(POISON)
                        ? MockResponse.error(500, "assertion failed", "InternalServerError")
                        : good;
        };
    }

    private static MockResponse answer(ServedRequest request) {
        List<String> tokens = new ArrayList<>();
        for (int i = 1; i <= TOKENS; i++) {
            tokens.add(" " + i);
        }
        return MockResponse.answer(request, tokens.toArray(String[]::new));
    }
}
