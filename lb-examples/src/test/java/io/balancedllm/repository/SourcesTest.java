/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.repository;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What the sources of all modules must not contain, their tests included. */
class SourcesTest {
    private static final String TIME = "src/main/java/io/balancedllm/time/";

    /** Comments, text blocks, strings and characters: what is written there is not run. */
    private static final Pattern NOT_CODE = Pattern.compile("//[^\n]*+|/\\*(?s:.*?)\\*/|\"\"\"(?s:.*?)(?<!\\\\)\"\"\""
            + "|\"(?:\\\\.|[^\"\\\\\n])*+\"|'(?:\\\\.|[^'\\\\\n])*+'");

    private static final Pattern TIME_AND_CHANCE = Pattern.compile(String.join(
            "|",
            "\\bSystem\\s*(?:\\.|::)\\s*(?:nanoTime|currentTimeMillis)\\b",
            "\\bThread\\s*(?:\\.|::)\\s*sleep\\b",
            "\\bTimeUnit\\s*\\.\\s*\\w+\\s*(?:\\.|::)\\s*sleep\\b",
            "\\bInstant\\s*(?:\\.\\s*now\\s*\\(\\s*\\)|::\\s*now\\b)",
            "\\bClock\\s*(?:\\.|::)\\s*system\\w*",
            "\\bMath\\s*(?:\\.|::)\\s*random\\b",
            "\\bThreadLocalRandom\\b",
            "\\bnew\\s+(?:Splittable)?Random\\s*\\(\\s*\\)",
            "\\bjava\\.util\\.Timer\\b",
            "\\bScheduledThreadPoolExecutor\\b",
            "\\bnew(?:SingleThread)?Scheduled\\w+",
            "\\b(?:orTimeout|completeOnTimeout|delayedExecutor)\\s*\\("));

    @Test
    void onlyThePackageTimeReadsClocksSleepsSetsTimersOrDrawsUnseededChance() throws IOException {
        List<String> found = new ArrayList<>();
        for (Path file : Repository.javaFiles()) {
            if (!file.toString().contains(TIME)) {
                timeAndChance(Repository.read(file)).forEach(what -> found.add(file + ": " + what));
            }
        }

        assertThat(found).isEmpty();
    }

    @Test
    void theSearchFindsWhatItForbidsInCodeAndNotInWords() {
        assertThat(timeAndChance("long now = System.nanoTime(); // System.currentTimeMillis()"))
                .containsExactly("System.nanoTime");
        assertThat(timeAndChance("/* Thread.sleep(1) */ String s = \"Math.random\"; Thread.sleep(1);"))
                .containsExactly("Thread.sleep");
        assertThat(timeAndChance("new Random(42); new Random(); Ticker t = System::nanoTime;"))
                .hasSize(2);
        assertThat(timeAndChance("char q = '\"'; TimeUnit.SECONDS.sleep(1); char r = '\"';"))
                .containsExactly("TimeUnit.SECONDS.sleep");
    }

    private static List<String> timeAndChance(String source) {
        Matcher matcher = TIME_AND_CHANCE.matcher(NOT_CODE.matcher(source).replaceAll(" "));
        List<String> found = new ArrayList<>();
        while (matcher.find()) {
            found.add(matcher.group());
        }
        return found;
    }
}
