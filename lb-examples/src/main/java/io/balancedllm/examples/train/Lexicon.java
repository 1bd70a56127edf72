/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import java.util.List;
import java.util.Map;

/** The words of the stories: few enough that a small model knows each of them well. */
final class Lexicon {
    static final Map<Gender, List<String>> NAMES = Map.of(
            Gender.SHE,
                    words(
                            "Lily Mia Anna Zoe Ella Nora Ruby Ivy Rosa Emma Clara Lucy Tilly Hazel Daisy Molly Maya Nina"),
            Gender.HE,
                    words("Tom Ben Sam Max Leo Jack Finn Oscar Hugo Noah Toby Milo Felix Theo Otto Paul Eric Rufus"));

    static final List<String> ANIMALS = words(
            "rabbit fox bear owl mouse frog duck squirrel turtle hedgehog cat dog goat pony badger otter lamb beaver");

    static final Map<Gender, String> CHILDREN = Map.of(Gender.SHE, "girl", Gender.HE, "boy");

    static final Map<Gender, List<String>> PARENTS = Map.of(
            Gender.SHE, words("mother grandmother aunt"),
            Gender.HE, words("father grandfather uncle"));

    /** What a season brings. */
    static final Map<String, List<String>> WEATHER = Map.of(
            "spring", List.of("the birds were singing", "the flowers were opening", "a soft rain was falling"),
            "summer", List.of("the sun was shining", "the sky was blue", "the air was warm"),
            "autumn", List.of("the leaves were red and gold", "the wind was blowing", "the air smelled of apples"),
            "winter", List.of("the snow was falling", "the lake was frozen", "the air was cold and clear"));

    /** Places, and how one is there. */
    static final Map<String, String> PLACES = Map.ofEntries(
            Map.entry("forest", "in"),
            Map.entry("garden", "in"),
            Map.entry("meadow", "in"),
            Map.entry("village", "in"),
            Map.entry("park", "in"),
            Map.entry("valley", "in"),
            Map.entry("river", "by"),
            Map.entry("lake", "by"),
            Map.entry("pond", "by"),
            Map.entry("old mill", "by"),
            Map.entry("bridge", "by"),
            Map.entry("hill", "on"),
            Map.entry("farm", "on"),
            Map.entry("beach", "on"));

    /** What happens to things, and what it takes then. */
    static final Map<String, String> REPAIRS = Map.of("fell into the mud", "cleaned", "broke in two", "fixed");

    /** Everything that is drawn once for a story, by the name of its slot. */
    static final Map<String, List<String>> SLOTS = Map.ofEntries(
            Map.entry(
                    "trait",
                    words("little happy brave kind curious quiet clever shy funny gentle small cheerful young")),
            Map.entry("ftrait", words("little kind clever shy funny gentle small friendly young quick")),
            Map.entry("colour", words("red blue green yellow golden silver purple white orange pink")),
            Map.entry(
                    "toy",
                    words("ball kite hat scarf book drum bell boat lantern basket whistle ribbon blanket wagon")),
            Map.entry("gift", words("lantern whistle scarf bell basket flute ring feather stone shell hat book")),
            Map.entry("treasure", words("crown bell mirror cup stone shell coin flute")),
            Map.entry("fragile", words("cup bowl lamp vase plate jug")),
            Map.entry("food", List.of("berry cake", "apple pie", "honey cake", "nut cake", "plum pie", "carrot cake")),
            Map.entry("meal", List.of("hot soup", "warm bread", "sweet tea", "warm milk")),
            Map.entry("skill", words("sing dance paint climb juggle whistle draw")),
            Map.entry("plant", words("flower sunflower rose tulip pumpkin")),
            Map.entry(
                    "sight",
                    List.of("the sea", "the tall mountain", "the great waterfall", "the old castle", "the big city")),
            Map.entry(
                    "spot",
                    List.of(
                            "under a bush",
                            "in the tall grass",
                            "behind a big stone",
                            "next to an old log",
                            "under a bench")),
            Map.entry("bed", List.of("behind the house", "next to the door", "under the window")),
            Map.entry("day", List.of("morning", "afternoon")),
            Map.entry(
                    "chore",
                    List.of(
                            "carry the wood",
                            "mend the roof",
                            "pick the apples",
                            "water the garden",
                            "paint the fence",
                            "sweep the yard")));

    private Lexicon() {}

    private static List<String> words(String words) {
        return List.of(words.split(" "));
    }
}
