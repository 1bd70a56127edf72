/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Writes short stories for children, one for each seed and always the same one. Who is in a story, where it happens and
 * what it is about are drawn once and kept, so names, pronouns, places and things agree from its beginning to its end: a
 * small model learns that from nothing else.
 */
final class StoryGrammar {
    private static final String OPENING = "["
            + "[Once upon a time, there|Once upon a time, there|Once upon a time there] was a(n) {trait} {kind} named {hero}."
            + "|Once upon a time, a(n) {trait} {kind} named {hero} lived {home}."
            + "|Once upon a time, there was a(n) {trait} {kind} named {hero}. {He} lived {home}."
            + "|[Long ago|Once|In a land far away], there lived a(n) {trait} {kind} named {hero}."
            + "|A(n) {trait} {kind} named {hero} lived {home}."
            + "|There once was a(n) {trait} {kind} named {hero}."
            + "|{Hero} was a(n) {trait} {kind} who lived {home}."
            + "] ";

    private static final String ENDING =
            " [{Hero} learned that {moral}.|And so {hero} learned that {moral}.|{Hero} and {friend} knew now that {moral}.|{Hero} smiled. {He} had learned that {moral}.] [The end.|The end.|They all lived happily ever after. The end.]";

    /** A child among animals would be the exception; among people the rule. */
    private static final double HERO_IS_A_CHILD = 0.3;

    private static final double FRIEND_IS_A_CHILD = 0.2;

    private StoryGrammar() {}

    /**
     * A story and who is in it.
     *
     * @param text the story in one line
     * @param plot what happens
     * @param hero whom it is about
     * @param friend the other one
     * @param parent the hero's
     */
    record Story(String text, Plot plot, Person hero, Person friend, Person parent) {}

    /** Somebody in a story. */
    record Person(String name, String kind, Gender gender) {}

    /** {@return the story of this seed} */
    static Story write(long seed) {
        return new Telling(new SplittableRandom(seed)).tell();
    }

    /** The facts of one story, drawn when they are first needed. */
    private static final class Telling {
        private final SplittableRandom random;
        private final Map<String, String> facts = new HashMap<>();

        Telling(SplittableRandom random) {
            this.random = random;
        }

        Story tell() {
            Plot plot = pick(List.of(Plot.values()));
            Person hero = person(HERO_IS_A_CHILD, Set.of());
            Person friend = person(FRIEND_IS_A_CHILD, Set.of(hero.name(), hero.kind()));
            Gender parentGender = pick(List.of(Gender.values()));
            Person parent = new Person("", pick(Lexicon.PARENTS.getOrDefault(parentGender, List.of())), parentGender);
            facts.put("hero", hero.name());
            facts.put("kind", hero.kind());
            addPronouns("", hero.gender());
            facts.put("friend", friend.name());
            facts.put("fkind", friend.kind());
            addPronouns("f", friend.gender());
            facts.put("parent", parent.kind());
            addPronouns("p", parent.gender());
            addSetting();
            facts.put("moral", pick(plot.morals()));
            String text = articles(expand(OPENING + plot.text() + ENDING));
            return new Story(text, plot, hero, friend, parent);
        }

        private Person person(double childShare, Set<String> taken) {
            Gender gender = pick(List.of(Gender.values()));
            String name = pickOther(Lexicon.NAMES.getOrDefault(gender, List.of()), taken);
            String kind = random.nextDouble() < childShare
                    ? Lexicon.CHILDREN.getOrDefault(gender, "child")
                    : pickOther(Lexicon.ANIMALS, taken);
            return new Person(name, kind, gender);
        }

        private void addPronouns(String prefix, Gender gender) {
            facts.put(prefix + "he", gender.subject);
            facts.put(prefix + "him", gender.object);
            facts.put(prefix + "his", gender.possessive);
        }

        private void addSetting() {
            String place = pick(Lexicon.PLACES.keySet().stream().sorted().toList());
            facts.put("place", place);
            facts.put("at", Lexicon.PLACES.get(place) + " the " + place);
            facts.put("to", "to the " + place);
            String home = pickOther(Lexicon.PLACES.keySet().stream().sorted().toList(), Set.of(place));
            facts.put("home", Lexicon.PLACES.get(home) + " the " + home);
            String mishap = pick(Lexicon.REPAIRS.keySet().stream().sorted().toList());
            facts.put("mishap", mishap);
            facts.put("repair", Lexicon.REPAIRS.getOrDefault(mishap, ""));
            String season = pick(Lexicon.WEATHER.keySet().stream().sorted().toList());
            facts.put("season", season);
            facts.put("weather", pick(Lexicon.WEATHER.getOrDefault(season, List.of())));
        }

        private String expand(String template) {
            StringBuilder out = new StringBuilder();
            int at = 0;
            while (at < template.length()) {
                char next = template.charAt(at);
                if (next == '[') {
                    int end = closing(template, at);
                    out.append(expand(pick(alternatives(template.substring(at + 1, end)))));
                    at = end + 1;
                } else if (next == '{') {
                    int end = template.indexOf('}', at);
                    out.append(fact(template.substring(at + 1, end)));
                    at = end + 1;
                } else {
                    out.append(next);
                    at++;
                }
            }
            return out.toString();
        }

        private String fact(String slot) {
            String lower = Character.toLowerCase(slot.charAt(0)) + slot.substring(1);
            String value = facts.computeIfAbsent(lower, name -> pick(choices(name)));
            return lower.equals(slot) ? value : Character.toUpperCase(value.charAt(0)) + value.substring(1);
        }

        private static List<String> choices(String slot) {
            List<String> choices = Lexicon.SLOTS.get(slot);
            if (choices == null) {
                throw new IllegalArgumentException("the grammar has no slot " + slot);
            }
            return choices;
        }

        private <T> T pick(List<T> choices) {
            return choices.get(random.nextInt(choices.size()));
        }

        private String pickOther(List<String> choices, Set<String> taken) {
            return pick(
                    choices.stream().filter(choice -> !taken.contains(choice)).toList());
        }
    }

    /** {@return where the bracket that opens here closes} */
    private static int closing(String template, int open) {
        int depth = 0;
        for (int at = open; at < template.length(); at++) {
            char next = template.charAt(at);
            depth += next == '[' ? 1 : next == ']' ? -1 : 0;
            if (depth == 0) {
                return at;
            }
        }
        throw new IllegalArgumentException("a bracket does not close: " + template);
    }

    private static List<String> alternatives(String text) {
        List<String> alternatives = new ArrayList<>();
        int depth = 0;
        int start = 0;
        for (int at = 0; at < text.length(); at++) {
            char next = text.charAt(at);
            depth += next == '[' ? 1 : next == ']' ? -1 : 0;
            if (next == '|' && depth == 0) {
                alternatives.add(text.substring(start, at));
                start = at + 1;
            }
        }
        alternatives.add(text.substring(start));
        return alternatives;
    }

    /** Settles each {@code a(n)} by the letter that follows; no word here begins otherwise than it sounds. */
    private static String articles(String text) {
        return text.replaceAll("([Aa])\\(n\\) (?=[aeiou])", "$1n ").replaceAll("([Aa])\\(n\\)", "$1");
    }
}
