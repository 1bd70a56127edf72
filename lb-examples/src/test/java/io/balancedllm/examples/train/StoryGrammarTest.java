/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.examples.train.StoryGrammar.Story;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class StoryGrammarTest {
    private static final int MANY = 10_000;
    private static final List<Story> STORIES =
            LongStream.range(0, MANY).mapToObj(StoryGrammar::write).toList();
    private static final Pattern WORD = Pattern.compile("[A-Za-z]+");
    private static final Pattern TOKEN = Pattern.compile("'s|[A-Za-z]+|[^\\sA-Za-z]+");

    @Test
    void aSeedAlwaysWritesTheSameStory() {
        for (Story story : STORIES.subList(0, 100)) {
            assertThat(StoryGrammar.write(STORIES.indexOf(story))).isEqualTo(story);
        }
        assertThat(StoryGrammar.write(1).text())
                .isNotEqualTo(StoryGrammar.write(2).text());
    }

    @Test
    void tenThousandSeedsWriteTenThousandStories() {
        assertThat(texts()).doesNotHaveDuplicates();
    }

    @Test
    void nothingIsLeftToFillIn() {
        assertThat(matches("[\\[\\]{}|_]|\\(n\\)|  |null")).isEmpty();
    }

    @Test
    void everySentenceBeginsLargeAndEveryQuotationCloses() {
        assertThat(texts()).allMatch(text -> Character.isUpperCase(text.charAt(0)) && text.endsWith("The end."));
        assertThat(matches("[.!?] [a-z]")).isEmpty();
        assertThat(texts()).allMatch(text -> text.chars().filter(c -> c == '"').count() % 2 == 0);
    }

    @Test
    void articlesFitWhatFollows() {
        assertThat(matches("\\b[Aa] [aeiou]|\\b[Aa]n [^aeiou]")).isEmpty();
    }

    @Test
    void nobodyIsNamedWhoIsNotInTheStory() {
        Set<String> names =
                Lexicon.NAMES.values().stream().flatMap(List::stream).collect(Collectors.toSet());
        for (Story story : STORIES) {
            Set<String> named = words(story);
            named.retainAll(names);
            assertThat(named)
                    .as(story.text())
                    .containsExactlyInAnyOrder(
                            story.hero().name(), story.friend().name());
        }
    }

    @Test
    void pronounsAreThoseOfSomebodyInTheStory() {
        for (Gender gender : Gender.values()) {
            Gender other = gender == Gender.SHE ? Gender.HE : Gender.SHE;
            List<String> foreign = List.of(other.subject, other.object, other.possessive);
            List<Story> oneSided = STORIES.stream()
                    .filter(story -> story.hero().gender() == gender
                            && story.friend().gender() == gender
                            && story.parent().gender() == gender)
                    .toList();
            assertThat(oneSided).hasSizeGreaterThan(MANY / 10);
            assertThat(oneSided)
                    .allSatisfy(story -> assertThat(lowerCaseWords(story)).doesNotContainAnyElementsOf(foreign));
        }
    }

    @Test
    void namesFitTheirPronounsAndChildrenTheirKind() {
        for (Story story : STORIES) {
            for (StoryGrammar.Person person : List.of(story.hero(), story.friend())) {
                assertThat(Lexicon.NAMES.get(person.gender())).contains(person.name());
                Lexicon.CHILDREN.forEach(
                        (gender, child) -> assertThat(person.kind().equals(child))
                                .isEqualTo(person.gender() == gender && !Lexicon.ANIMALS.contains(person.kind())));
            }
            assertThat(story.hero().name()).isNotEqualTo(story.friend().name());
            if (Lexicon.ANIMALS.contains(story.hero().kind())) {
                assertThat(story.hero().kind()).isNotEqualTo(story.friend().kind());
            }
        }
    }

    @Test
    void aStoryKeepsToItsSeasonItsColourAndItsThing() {
        for (Story story : STORIES) {
            assertThat(used(story, Lexicon.WEATHER.keySet())).as(story.text()).hasSize(1);
            assertThat(used(story, Lexicon.SLOTS.getOrDefault("colour", List.of())))
                    .as(story.text())
                    .hasSizeLessThanOrEqualTo(colours(story));
            if (story.plot() == Plot.LOST_THING || story.plot() == Plot.QUARREL) {
                assertThat(used(story, Lexicon.SLOTS.getOrDefault("toy", List.of())))
                        .as(story.text())
                        .hasSize(1);
            }
        }
    }

    @Test
    void everyPlotIsToldAndOnceUponATimeIsTheUsualBeginning() {
        Map<Plot, Long> plots = STORIES.stream().collect(Collectors.groupingBy(Story::plot, Collectors.counting()));
        assertThat(plots).containsOnlyKeys(Plot.values());
        // Each has a share of 1/11; five standard deviations are 144.
        assertThat(plots.values()).allMatch(count -> Math.abs(count - MANY / 11.0) < 144);

        Map<String, Long> openings = STORIES.stream()
                .map(story -> story.text().substring(0, 6))
                .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
        assertThat(openings).hasSizeGreaterThan(5);
        assertThat(openings.get("Once u"))
                .isEqualTo(openings.values().stream().mapToLong(n -> n).max().orElse(0));
    }

    @Test
    void theWordsAreFewAndEachIsUsedOften() {
        Map<String, Long> counts = STORIES.stream()
                .flatMap(story -> WORD.matcher(story.text()).results())
                .collect(Collectors.groupingBy(
                        match -> match.group().toLowerCase(java.util.Locale.ROOT), Collectors.counting()));

        assertThat(counts).hasSizeBetween(400, 700);
        assertThat(counts.values()).allMatch(count -> count >= 50);
    }

    @Test
    void everyStoryFitsIntoAContextOf256() {
        long[] lengths = STORIES.stream()
                .mapToLong(story -> TOKEN.matcher(story.text()).results().count())
                .sorted()
                .toArray();
        assertThat(lengths[0]).isGreaterThan(150);
        assertThat(Arrays.stream(lengths).max().orElse(0)).isLessThan(245);
    }

    private static List<String> matches(String wrong) {
        Pattern pattern = Pattern.compile(wrong);
        return texts().stream()
                .filter(text -> pattern.matcher(text).find())
                .limit(3)
                .toList();
    }

    private static List<String> texts() {
        return STORIES.stream().map(Story::text).toList();
    }

    private static Set<String> words(Story story) {
        return WORD.matcher(story.text())
                .results()
                .map(match -> match.group())
                .collect(Collectors.toCollection(HashSet::new));
    }

    private static Set<String> lowerCaseWords(Story story) {
        return words(story).stream()
                .map(word -> word.toLowerCase(java.util.Locale.ROOT))
                .collect(Collectors.toSet());
    }

    private static Set<String> used(Story story, Collection<String> choices) {
        Set<String> used = words(story);
        used.retainAll(Set.copyOf(choices));
        return used;
    }

    /** The thing has one; the sky, the leaves and what grows have their own. */
    private static int colours(Story story) {
        long others = Stream.of("(?i)sky was blue", "(?i)leaves were red", "small and green")
                .filter(phrase -> Pattern.compile(phrase).matcher(story.text()).find())
                .count();
        return 1 + (int) others;
    }
}
