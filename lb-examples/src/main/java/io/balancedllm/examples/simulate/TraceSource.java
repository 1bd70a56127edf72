/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.simulate;

import io.balancedllm.examples.console.Failure;
import io.balancedllm.testkit.simulation.GeneratedTraces;
import io.balancedllm.testkit.simulation.Trace;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say where a trace comes from. */
final class TraceSource {
    private static final int SHOWN_BROKEN_LINES = 5;
    private static final int SEED = 1;

    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @ArgGroup(multiplicity = "1")
    @SuppressWarnings("NullAway.Init")
    private Origin origin;

    @Option(names = "--limit", paramLabel = "K", description = "Requests to read at most. Default: all.")
    private @Nullable Integer limit;

    @Option(names = "--skip-broken", description = "Skips lines that cannot be read, instead of giving up.")
    private boolean skipBroken;

    @Option(
            names = "--derive-sessions",
            description =
                    "Takes requests whose prompts share two blocks for turns of one session, where the trace names none.")
    private boolean deriveSessions;

    /** A file or a generator. */
    static final class Origin {
        @Option(
                names = "--trace",
                paramLabel = "FILE",
                description = "JSON lines as Mooncake's, or CSV as Azure's of 2023; also packed with gzip.")
        private @Nullable Path file;

        @Option(
                names = "--generate",
                paramLabel = "NAME",
                completionCandidates = GeneratedNames.class,
                description = "A trace that needs no file: ${COMPLETION-CANDIDATES}.")
        private @Nullable String generated;
    }

    Trace read() {
        if (limit != null && limit < 1) {
            throw mistake("--limit must be at least 1, got " + limit);
        }
        Trace trace = origin.file == null ? generate(String.valueOf(origin.generated)) : read(origin.file);
        return deriveSessions ? trace.withDerivedSessions() : trace;
    }

    private Trace generate(String name) {
        try {
            return GeneratedTraces.named(name, limit == null ? GeneratedTraces.DEFAULT_REQUESTS : limit, SEED);
        } catch (IllegalArgumentException e) {
            throw mistake(String.valueOf(e.getMessage()));
        }
    }

    private Trace read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw mistake("--trace " + file + " is not a file");
        }
        List<String> skipped = new ArrayList<>();
        try {
            Trace trace = Trace.read(
                    file,
                    limit == null ? Integer.MAX_VALUE : limit,
                    skipBroken ? (line, reason) -> note(skipped, line, reason) : Trace.BrokenLines.STOP);
            if (!skipped.isEmpty()) {
                say("skipped " + skipped.size() + " lines that cannot be read");
            }
            return trace;
        } catch (IOException e) {
            String hint = skipBroken ? "" : " (--skip-broken skips lines that cannot be read)";
            throw new Failure(file + ": " + e.getMessage() + hint, e);
        }
    }

    private void note(List<String> skipped, long line, String reason) {
        skipped.add(reason);
        if (skipped.size() <= SHOWN_BROKEN_LINES) {
            say("line " + line + ": " + reason);
        }
    }

    private void say(String line) {
        PrintWriter err = spec.commandLine().getErr();
        err.println(line);
        err.flush();
    }

    private ParameterException mistake(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /** What {@code --help} lists as the values of {@code --generate}. */
    private static final class GeneratedNames implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return GeneratedTraces.names().iterator();
        }
    }
}
