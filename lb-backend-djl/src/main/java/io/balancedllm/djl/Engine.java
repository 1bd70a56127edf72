/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.KvListener;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Continuous batching: sequences join and leave the batch between steps. Each step gives every sequence that decodes one
 * token, and prompts as many as keep the step short. A sequence whose reader asks for nothing sits out, and gives up its
 * place when another wants it; one that fails fails alone.
 *
 * @see <a href="https://www.usenix.org/conference/osdi22/presentation/yu">Yu et al., Orca: A Distributed Serving System
 *     for Transformer-Based Generative Models, OSDI 2022</a>
 * @see <a href="https://www.usenix.org/conference/osdi24/presentation/agrawal">Agrawal et al., Taming
 *     Throughput-Latency Tradeoff in LLM Inference with Sarathi-Serve, OSDI 2024</a>
 */
final class Engine {
    /** A step that takes longer is taken for a hang; the longest real ones take about a second. */
    static final Duration STALLED_STEP = Duration.ofSeconds(30);

    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);
    private static final double EWMA_WEIGHT = 0.2;
    private static final double NANOS = 1e9;

    private final Kernel kernel;
    private final EngineOptions options;
    private final Ticker ticker;
    private final WorkQueue queue;
    private final PrefixCache prefixes = new PrefixCache();
    private final KvMemory memory;
    private final StepCosts costs = new StepCosts();
    private final Batch batch;
    /** What other threads ask of the engine thread. */
    private final Queue<Runnable> errands = new ConcurrentLinkedQueue<>();

    private volatile double secondsPerSequence = 1;
    private volatile int ended;
    private volatile boolean closed;
    private volatile long stepStarted;
    private volatile boolean stepping;
    /** Whether something waits that cannot begin; another engine may take it. */
    private volatile boolean crowded;

    private @Nullable Split split;
    private volatile @Nullable EnginePeers peers;
    private volatile @Nullable Thread thread;

    Engine(Gpt2Model model, EngineOptions options, Ticker ticker) {
        this.kernel = model.kernel();
        this.options = options;
        this.ticker = ticker;
        queue = new WorkQueue(options.maxSequences() + options.queueLimit());
        memory = new KvMemory(kernel, prefixes, options.kvTokens());
        batch = new Batch(options, queue, memory, prefixes, costs, ticker);
    }

    /** Shares its waiting works with others that serve the same model. */
    void join(EnginePeers others) {
        peers = others;
        others.add(this);
    }

    /** Lets prompts be computed elsewhere where that pays; closes it with this engine. Before the start. */
    void splitOff(Prefiller elsewhere) {
        Split made = new Split(elsewhere, costs);
        split = made;
        batch.split(made, (work, handover) -> {
            errands.add(() -> batch.back(work, handover));
            wake();
        });
    }

    @Nullable
    Split split() {
        return split;
    }

    /** Takes all sequences of a generation, or fails it. Any thread. */
    void submit(Gpt2Generation generation, List<Sequence> sequences, int choicesOfAPrompt) {
        List<Work> works = new ArrayList<>();
        List<Work> first = new ArrayList<>();
        for (Sequence sequence : sequences) {
            works.add(new Work(generation, sequence));
        }
        for (int i = 0; i < works.size(); i += choicesOfAPrompt) {
            first.add(works.get(i));
            works.get(i).followedBy(List.copyOf(works.subList(i + 1, i + choicesOfAPrompt)));
        }
        generation.works(works);
        double wait = expectedWait(generation.priority(), works.size());
        if (generation.secondsLeft(ticker.nanos()) < wait) {
            generation.fail(tooLate(wait));
            return;
        }
        List<Gpt2Generation> displaced = new ArrayList<>();
        if (!queue.offer(generation, first, displaced)) {
            generation.fail(
                    queue.closed()
                            ? shutDownError()
                            : overloaded(
                                    options.maxSequences() + " can run and " + options.queueLimit() + " can wait",
                                    works.size()));
            return;
        }
        for (Gpt2Generation weaker : displaced) {
            weaker.fail(overloaded("a more urgent call took its place", 0));
        }
        wake();
        EnginePeers others = peers;
        if (crowded && others != null) {
            others.wakeIdle(this);
        }
    }

    boolean closed() {
        return closed;
    }

    long nanos() {
        return ticker.nanos();
    }

    StepCosts costs() {
        return costs;
    }

    /** Makes the engine thread look again. Any thread. */
    void wake() {
        Thread current = thread;
        if (current != null) {
            LockSupport.unpark(current);
        }
    }

    /** Tells a listener of the prefix cache from now on. {@return ends it} Any thread. */
    Runnable tell(KvListener listener) {
        errands.add(() -> prefixes.listen(listener));
        wake();
        return () -> {
            errands.add(() -> prefixes.unlisten(listener));
            wake();
        };
    }

    /** {@return whether the engine makes progress; busy is healthy} */
    ProbeResult probe() {
        Thread current = thread;
        if (closed || (current != null && !current.isAlive())) {
            return new ProbeResult(ProbeResult.Status.UNHEALTHY, "the engine is shut down");
        }
        if (stepping && ticker.nanos() - stepStarted > STALLED_STEP.toNanos()) {
            return new ProbeResult(
                    ProbeResult.Status.UNHEALTHY, "one step takes longer than " + STALLED_STEP.toSeconds() + " s");
        }
        return ProbeResult.READY;
    }

    /** {@return how busy it is; any thread} */
    EngineReport report() {
        Batch.Load load = batch.load();
        EngineReport.Builder report = EngineReport.builder()
                .running(load.running())
                .waiting(Math.max(0, queue.held() - load.running()))
                .waitingPromptTokens(load.promptTokens())
                .maxSequences(options.maxSequences())
                .kvCapacityTokens(options.kvTokens())
                .blockTokens(PrefixCache.BLOCK_TOKENS)
                .kvUsage(Math.min(1, (double) load.reserved() / options.kvTokens()))
                .kernel(kernel.name());
        if (costs.known()) {
            report.secondsPerPromptToken(costs.secondsPerToken())
                    .secondsPerStep(costs.seconds(Math.max(1, load.running())));
        }
        return report.build();
    }

    /** {@return whether it could begin something more at once; any thread} */
    boolean idle() {
        return !closed && batch.load().running() < options.maxSequences() && !crowded;
    }

    /** {@return how many works wait that cannot begin; any thread} */
    int crowd() {
        return crowded ? queue.held() - batch.load().running() : 0;
    }

    /** {@return something of what waits, which is no longer here; null if there is nothing} Any thread. */
    @Nullable
    Gpt2Generation giveAway() {
        return crowded ? queue.steal() : null;
    }

    /** Serves until {@link #shutDown}; the body of the engine thread. */
    void run() {
        while (!closed) {
            boolean worked = false;
            try {
                worked = step();
            } catch (Throwable t) {
                LOG.error("The engine's step failed; every running sequence fails with it", t);
                batch.failAll(LlmException.builder(Reason.SERVER_ERROR, "the engine failed: " + t)
                        .cause(t)
                        .build());
            }
            if (!worked && !closed) {
                LockSupport.park(this);
            }
        }
        finish();
    }

    void start(String name) {
        Split parts = split;
        if (parts != null) {
            parts.prefiller().start(name + "-prefill");
        }
        Thread engine = new Thread(this::run, name);
        engine.setDaemon(true);
        thread = engine;
        engine.start();
    }

    /** Fails what runs and waits, and returns when the engine thread has ended. Idempotent. */
    void shutDown() {
        queue.close();
        closed = true;
        EnginePeers others = peers;
        if (others != null) {
            others.remove(this);
        }
        Thread current = thread;
        if (current == null) {
            finish();
            return;
        }
        wake();
        boolean interrupted = false;
        while (current != Thread.currentThread() && current.isAlive()) {
            try {
                current.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Does one round on the engine thread and returns whether there was anything to compute. */
    boolean step() {
        stepStarted = ticker.nanos();
        stepping = true;
        try {
            runErrands();
            batch.dropEnded(stepStarted, this::left);
            crowded = batch.admit(stepStarted);
            exchange();
            Batch.Plan plan = batch.plan();
            if (plan.works().isEmpty()) {
                batch.dropEnded(stepStarted, this::left);
                return plan.interrupted();
            }
            compute(plan);
            batch.dropEnded(ticker.nanos(), this::left);
            return true;
        } finally {
            batch.tellLoad();
            stepping = false;
        }
    }

    /** Lets others have what cannot begin here, or begins what cannot begin there. */
    private void exchange() {
        EnginePeers others = peers;
        if (others == null) {
            return;
        }
        batch.tellLoad();
        if (crowded) {
            others.wakeIdle(this);
            return;
        }
        while (!crowded && idle()) {
            Gpt2Generation stolen = others.steal(this);
            if (stolen == null) {
                return;
            }
            stolen.moveTo(this);
            if (!queue.take(stolen, stolen.works().stream().filter(Work::leads).toList())) {
                stolen.fail(shutDownError());
                return;
            }
            batch.dropEnded(stepStarted, this::left);
            crowded = batch.admit(stepStarted);
            batch.tellLoad();
        }
    }

    private void left(Work work) {
        if (work.admitted != 0) {
            double seconds = (ticker.nanos() - work.admitted) / NANOS;
            secondsPerSequence = (1 - EWMA_WEIGHT) * secondsPerSequence + EWMA_WEIGHT * seconds;
            ended = Math.min(ended, Integer.MAX_VALUE - 1) + 1;
        }
    }

    private void compute(Batch.Plan plan) {
        float[][] numbers;
        Split parts = split;
        long moment = parts == null ? 0 : parts.prefiller().moment();
        long began = ticker.nanos();
        try {
            numbers = kernel.step(plan.slices());
        } catch (RuntimeException | OutOfMemoryError e) {
            if (plan.works().size() == 1) {
                plan.works().get(0).fail(e);
                return;
            }
            LOG.warn(
                    "A step of {} sequences failed; each is computed alone",
                    plan.works().size(),
                    e);
            for (int i = 0; i < plan.works().size(); i++) {
                compute(plan.only(i));
            }
            return;
        }
        double seconds = (ticker.nanos() - began) / NANOS;
        if (parts == null) {
            costs.learn(plan.tokens(), seconds);
        } else {
            parts.learn(moment, plan.tokens(), seconds);
        }
        for (int i = 0; i < numbers.length; i++) {
            batch.computed(plan.works().get(i), plan.slices().get(i), numbers[i]);
        }
    }

    private void runErrands() {
        for (Runnable errand = errands.poll(); errand != null; errand = errands.poll()) {
            errand.run();
        }
    }

    private void finish() {
        Split parts = split;
        if (parts != null) {
            parts.prefiller().shutDown();
        }
        batch.failAll(shutDownError());
        runErrands();
        memory.clear();
    }

    static LlmException shutDownError() {
        return new LlmException(Reason.UNAVAILABLE, "the in-process GPT-2 is shut down");
    }

    /** {@return the seconds until something that comes now can begin, as far as can be told; 0 where it cannot} */
    private double expectedWait(int priority, int more) {
        int ahead = queue.ahead(priority) + more - options.maxSequences();
        return ahead <= 0 || ended < options.maxSequences() ? 0 : secondsPerSequence * ahead / options.maxSequences();
    }

    /** Another backend may begin in time; and it says nothing about calls that can wait, so the endpoint does not cool. */
    private static LlmException tooLate(double wait) {
        return LlmException.builder(
                        Reason.DEADLINE_EXCEEDED,
                        String.format(
                                Locale.ROOT, "the call's timeout passes before its turn comes, in about %.1f s", wait))
                .retryable(true)
                .build();
    }

    private LlmException overloaded(String why, int more) {
        int held = queue.held();
        double seconds = Math.max(0.1, secondsPerSequence * (held + more) / options.maxSequences());
        return LlmException.builder(Reason.OVERLOADED, held + " sequences run or wait already: " + why)
                .retryAfter(Duration.ofNanos((long) (seconds * NANOS)))
                .build();
    }
}
