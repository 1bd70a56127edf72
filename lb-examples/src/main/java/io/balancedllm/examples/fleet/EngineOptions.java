/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.fleet;

import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.testkit.SimulatedBackend;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say what generates in this process: GPT-2, or a simulation that needs no model. Not thread-safe. */
public final class EngineOptions {
    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Mixin
    private final ModelOptions model = new ModelOptions();

    @Option(
            names = "--engine",
            paramLabel = "NAME",
            defaultValue = "gpt2",
            description = "What generates: gpt2, or simulated for load tests. Default: ${DEFAULT-VALUE}.")
    private String engine = "";

    @Option(
            names = "--prefill-us",
            paramLabel = "N",
            description = "Microseconds a simulated engine takes for a prompt token. Default: 100.")
    private @Nullable Integer prefillMicros;

    @Option(
            names = "--decode-us",
            paramLabel = "N",
            description = "Microseconds a simulated engine takes for a step of decoding. Default: 10000.")
    private @Nullable Integer decodeMicros;

    @Option(
            names = "--kv-blocks",
            paramLabel = "N",
            description = "Blocks of 16 tokens of a simulated engine's KV memory. Default: "
                    + SimulatedBackend.DEFAULT_KV_BLOCKS + ".")
    private @Nullable Integer kvBlocks;

    @Option(names = "--burn-cpu", description = "Lets a simulated engine spend its time computing.")
    private boolean burnCpu;

    /**
     * Starts what generates.
     *
     * @return an endpoint for each replica
     * @throws ParameterException when an option has an impossible value
     */
    public List<Endpoint> open() {
        if (engine.equals("simulated")) {
            if (model.given()) {
                throw mistake("--engine simulated has no model: leave out --model and --replicas");
            }
            return List.of(Endpoint.of("simulated-1", simulated()));
        }
        if (!engine.equals("gpt2")) {
            throw mistake("--engine must be gpt2 or simulated, got \"" + engine + "\"");
        }
        if (prefillMicros != null || decodeMicros != null || kvBlocks != null || burnCpu) {
            throw mistake("--prefill-us, --decode-us, --kv-blocks and --burn-cpu are of --engine simulated");
        }
        return model.open();
    }

    private SimulatedBackend simulated() {
        SimulatedBackend.Builder builder = SimulatedBackend.builder().burnCpu(burnCpu);
        try {
            if (prefillMicros != null) {
                builder.prefill(micros(prefillMicros));
            }
            if (decodeMicros != null) {
                builder.decode(micros(decodeMicros));
            }
            if (kvBlocks != null) {
                builder.kvBlocks(kvBlocks);
            }
        } catch (IllegalArgumentException e) {
            throw mistake(String.valueOf(e.getMessage()));
        }
        return builder.build();
    }

    private static Duration micros(int count) {
        return Duration.ofNanos(count * 1_000L);
    }

    private ParameterException mistake(String message) {
        return new ParameterException(command.commandLine(), message);
    }
}
