/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ProbeResult.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What is known about the engines that speak the OpenAI wire, one row for each: the path that says whether it is alive,
 * what it answers there while it is not ready yet, and the name under which it lists its models.
 *
 * <p>A row holds what was recorded from an engine, or stands in its source. Several share a path; which of them answers
 * does not matter for its health, because the rows of a path do not contradict each other.
 */
enum EngineDialect {
    /** 503 says that the engine behind the API is dead. */
    VLLM("health", "vllm", 0, ""),
    /** Never {@code /health_generate}, which costs a generation. */
    SGLANG("health", "sglang", 0, "server is starting"),
    /** 503 on every path while it loads; open without a key. */
    LLAMA_CPP("health", "llamacpp", 0, "loading model"),
    /** Text Generation Inference. */
    TGI("health", "", 0, "model is loading"),
    /** 400 where the server lives and its models are not loaded. */
    TRITON("v2/health/ready", "", 400, ""),
    /** Loads a model with the first request for it, so that its health says nothing of models. */
    OLLAMA("api/version", "library", 0, ""),
    /** Everything else: whoever lists models lives. */
    GENERIC("v1/models", "", 0, "loading");

    private static final int NO_CONTENT_HERE = 404;
    private static final int NO_METHOD_HERE = 405;
    private static final int NOT_IMPLEMENTED = 501;
    private static final int BUSY = 429;
    private static final int UNAVAILABLE = 503;
    private static final Set<Integer> NO_ACCESS = Set.of(401, 403);
    private static final List<String> PATHS = paths();

    private final String probePath;
    private final String owner;
    private final int warmingStatus;
    private final String warmingWords;

    /**
     * A row.
     *
     * @param probePath where it says that it is alive
     * @param owner {@code owned_by} of its models, empty when that tells nothing
     * @param warmingStatus the status that says by itself that it is not ready yet, 0 for none
     * @param warmingWords what it says beside a 503 while it is not ready yet, in lower case; empty for nothing
     */
    EngineDialect(String probePath, String owner, int warmingStatus, String warmingWords) {
        this.probePath = probePath;
        this.owner = owner;
        this.warmingStatus = warmingStatus;
        this.warmingWords = warmingWords;
    }

    private static List<String> paths() {
        List<String> paths = new ArrayList<>();
        for (EngineDialect dialect : values()) {
            if (!paths.contains(dialect.probePath)) {
                paths.add(dialect.probePath);
            }
        }
        return List.copyOf(paths);
    }

    /** {@return the paths that tell whether a server lives, in the order in which they are tried} */
    static List<String> probePaths() {
        return PATHS;
    }

    String probePath() {
        return probePath;
    }

    /** {@return what stands in {@code owned_by} of the models it lists, empty when that tells nothing} */
    String owner() {
        return owner;
    }

    /**
     * {@return whether a server has nothing under a path, so that the next is to be tried} A server that does not let us
     * in may still do so under the next one; under the last it has answered, and is alive.
     */
    static boolean isElsewhere(String path, int status) {
        return status == NO_CONTENT_HERE
                || status == NO_METHOD_HERE
                || status == NOT_IMPLEMENTED
                || (NO_ACCESS.contains(status) && !path.equals(GENERIC.probePath));
    }

    /**
     * {@return what an answer that is no success means} Busy is healthy, and whether a key is good is told by requests:
     * many a key may generate and not list models.
     *
     * @param words the error's message
     */
    static Status verdict(String path, int status, String words) {
        if (status == BUSY || NO_ACCESS.contains(status)) {
            return ProbeResult.Status.READY;
        }
        String lower = words.toLowerCase(Locale.ROOT);
        for (EngineDialect dialect : values()) {
            if (dialect.probePath.equals(path) && dialect.isWarming(status, lower)) {
                return ProbeResult.Status.WARMING;
            }
        }
        return ProbeResult.Status.UNHEALTHY;
    }

    private boolean isWarming(int status, String words) {
        return status == warmingStatus
                || (status == UNAVAILABLE && !warmingWords.isEmpty() && words.contains(warmingWords));
    }
}
