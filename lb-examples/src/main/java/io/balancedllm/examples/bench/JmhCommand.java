/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** A benchmark that JMH runs and that prints each figure beside that of an alternative. */
abstract class JmhCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private Jmh jmh = new Jmh();

    @Option(names = "--json", description = "Prints one JSON object for each row and nothing else.")
    private boolean json;

    abstract List<Comparison> measure(Jmh jmh);

    @Override
    public final Integer call() {
        Comparison.print(spec.commandLine().getOut(), json, spec.name(), measure(jmh));
        return ExitCode.OK;
    }
}
