/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.console;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.io.PrintWriter;
import java.util.List;
import java.util.Objects;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** One line on standard error for what went wrong; a stack trace only for a defect of the program. */
public final class Mistakes {
    private Mistakes() {}

    /** {@return the exit code for wrong usage, 2} Says in one line what is wrong. */
    public static int ofUsage(ParameterException mistake, String[] args) {
        CommandLine command = mistake.getCommandLine();
        PrintWriter err = command.getErr();
        String name = command.getCommandSpec().qualifiedName();
        err.println(name + ": " + oneLine(mistake) + " (see " + name + " --help)");
        List<String> suggestions = mistake instanceof CommandLine.UnmatchedArgumentException unmatched
                ? unmatched.getSuggestions()
                : List.of();
        if (!suggestions.isEmpty()) {
            err.println("did you mean " + String.join(" or ", suggestions) + "?");
        }
        return ExitCode.USAGE;
    }

    /** {@return the exit code for a failed run, 1} Says in one line what failed. */
    public static int ofExecution(Exception failure, CommandLine command, ParseResult arguments) {
        CommandSpec spec = command.getCommandSpec();
        PrintWriter err = command.getErr();
        err.println(spec.qualifiedName() + ": " + oneLine(failure));
        if (!isExpected(failure)) {
            failure.printStackTrace(err);
        }
        return ExitCode.SOFTWARE;
    }

    private static boolean isExpected(Exception failure) {
        return failure instanceof Failure
                || (failure instanceof LlmException llm && llm.reason() != Reason.INTERNAL_ERROR);
    }

    private static String oneLine(Exception failure) {
        String message = failure instanceof LlmException llm
                ? llm.reason().name().toLowerCase(java.util.Locale.ROOT) + ": " + llm.message()
                : Objects.toString(failure.getMessage(), failure.getClass().getSimpleName());
        return message.strip().replaceAll("\\s*\\R\\s*", "; ");
    }
}
