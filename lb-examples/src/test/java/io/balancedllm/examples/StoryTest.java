/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;

class StoryTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    @Test
    void aStoryBeginsWithThePromptAndEndsWithWhoWroteIt() {
        CommandLineFixture result =
                CommandLineFixture.run("story", "Once upon a time", "--max-tokens", "24", "--temperature", "0");

        assertThat(result.code()).isZero();
        assertThat(result.out()).startsWith("Once upon a time");
        assertThat(result.out().lines().reduce((first, last) -> last).orElseThrow())
                .matches("served by local-[12], first token after \\d+ ms, \\d+ tokens at \\d+ tokens/s");
        assertThat(result.err()).isEmpty();
    }

    @Test
    void theSameSeedWritesTheSameStoryOnAnyReplica() throws Exception {
        String[] args = {"story", "--max-tokens", "24", "--seed", "7", "--json"};

        JsonNode first = MAPPER.readTree(CommandLineFixture.run(args).out());
        JsonNode second = MAPPER.readTree(CommandLineFixture.run(args).out());

        assertThat(first.at("/text").asText())
                .isNotBlank()
                .isEqualTo(second.at("/text").asText());
    }

    @Test
    void withACacheTheSecondTellingIsAHitAndIsTheSameStory() throws Exception {
        String[] told = CommandLineFixture.run("story", "--cache", "--seed", "3", "--json")
                .out()
                .lines()
                .toArray(String[]::new);

        assertThat(told).hasSize(2);
        JsonNode first = MAPPER.readTree(told[0]);
        JsonNode second = MAPPER.readTree(told[1]);
        assertThat(first.at("/cache").asText()).isEqualTo("miss");
        assertThat(second.at("/cache").asText()).isEqualTo("exact");
        assertThat(second.at("/text")).isEqualTo(first.at("/text"));
        assertThat(second.at("/attempts")).isEmpty();
    }

    @Test
    void jsonIsOneObjectWithKeysInSnakeCaseAndNothingElse() throws Exception {
        CommandLineFixture result =
                CommandLineFixture.run("story", "A fox", "--max-tokens", "8", "--seed", "1", "--json", "--explain");

        assertThat(result.out()).hasLineCount(1);
        JsonNode story = MAPPER.readTree(result.out());
        assertThat(story.at("/prompt").asText()).isEqualTo("A fox");
        assertThat(story.at("/completion_tokens").asInt()).isBetween(1, 8);
        assertThat(story.at("/served_by").asText()).startsWith("local-");
        assertThat(story.at("/ttft_ms").asDouble()).isPositive();
        assertThat(story.at("/attempts/0/outcome").asText()).isEqualTo("completed");
        assertThat(story.at("/candidates")).hasSize(2);
        assertThat(story.fieldNames()).toIterable().allMatch(name -> name.matches("[a-z_]+"));
    }

    @Test
    void explainTellsCandidatesAndAttempts() {
        CommandLineFixture result = CommandLineFixture.run(
                "story", "--max-tokens", "4", "--seed", "1", "--explain", "--policy", "roundRobin");

        assertThat(result.out())
                .containsPattern("candidate +in flight .*picked by .*[rR]ound")
                .containsPattern("(?m)^local-1 ")
                .containsPattern("(?m)^local-2 ")
                .containsPattern("attempt +endpoint +outcome");
    }

    @Test
    void logitsAreThoseOfTheVocabularyAndGreedyContinuesPastTheEnd() throws Exception {
        CommandLineFixture result = CommandLineFixture.run("logits", "--ids", "1,2,3", "--greedy", "5");

        assertThat(result.code()).isZero();
        assertThat(result.out()).hasLineCount(1);
        JsonNode line = MAPPER.readTree(result.out());
        assertThat(line.at("/logits").size()).isGreaterThan(256);
        assertThat(line.at("/greedy")).hasSize(5);
        int best = 0;
        for (int id = 1; id < line.at("/logits").size(); id++) {
            best = line.at("/logits").get(id).asDouble()
                            > line.at("/logits").get(best).asDouble()
                    ? id
                    : best;
        }
        assertThat(line.at("/greedy/0").asInt()).isEqualTo(best);
    }
}
