/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Whether two texts say nearly the same words, with some of them in each other's place: from here to there, from there to
 * here. A part of a sentence that moves as a whole takes its neighbours along and is no such exchange, and neither is
 * another order of a list, of words side by side, or of a sentence in the passive voice.
 */
final class WordOrder {
    private static final Pattern TOKEN = Pattern.compile("\\p{L}[\\p{L}\\p{M}]*|\\d++(?:[.,:/]\\d++)*+|[,;:()]");
    /** What stands between the members of a list, where order means little. */
    private static final Set<String> LIST = Set.of(",", ";", "and", "or", "&", "(", ")");

    private static final String AGENT = "by";
    /** Share of the words around an exchange that stay where they are. Fewer, and more is said in another way. */
    static final double KEPT_SHARE = 0.8;

    /** Common words up to which exchanges at a distance are looked for, which takes the third power of their number. */
    static final int MAX_WORDS = 128;

    private WordOrder() {}

    static boolean differs(VetoText a, VetoText b) {
        if (a.words().equals(b.words())) {
            return false;
        }
        List<String> these = units(a.raw());
        List<String> those = units(b.raw());
        Map<String, Place> here = places(these);
        Map<String, Place> there = places(those);
        List<String> moved = new ArrayList<>();
        here.forEach((word, place) -> {
            Place other = there.get(word);
            if (place != null && other != null && !place.meets(other)) {
                moved.add(word);
            }
        });
        for (int i = 0; i < moved.size(); i++) {
            for (int j = i + 1; j < moved.size(); j++) {
                if (exchanged(moved.get(i), moved.get(j), here, there)
                        && !listed(moved.get(i), moved.get(j), these)
                        && !listed(moved.get(i), moved.get(j), those)) {
                    return true;
                }
            }
        }
        return swapped(these, those);
    }

    /**
     * Whether two words stand in each other's place while what lies before, between and behind them stays: of a part that
     * moves as a whole the words around it change sides.
     */
    private static boolean swapped(List<String> here, List<String> there) {
        if (here.contains(AGENT) != there.contains(AGENT)) {
            return false; // one may be in the passive voice: "A called B" and "B was called by A"
        }
        Map<String, Integer> first = positions(here);
        Map<String, Integer> second = positions(there);
        first.keySet().retainAll(second.keySet());
        List<String> common = List.copyOf(first.keySet());
        if (common.size() > MAX_WORDS) {
            return false;
        }
        for (int i = 0; i < common.size(); i++) {
            for (int j = 0; j < common.size(); j++) {
                if (i != j
                        && swapped(common.get(i), common.get(j), common, first, second)
                        && !listed(common.get(i), common.get(j), here)
                        && !listed(common.get(i), common.get(j), there)) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean swapped(
            String one, String other, List<String> common, Map<String, Integer> here, Map<String, Integer> there) {
        int from = at(here, one);
        int to = at(here, other);
        int back = at(there, one);
        int front = at(there, other);
        if (from > to || back < front) {
            return false;
        }
        int between = 0;
        int kept = 0;
        for (String word : common) {
            if (word.equals(one) || word.equals(other)) {
                continue;
            }
            int side = side(at(here, word), from, to);
            boolean same = side == side(at(there, word), front, back);
            kept += same ? 1 : 0;
            between += same && side == 0 ? 1 : 0;
        }
        return between > 0 && kept >= KEPT_SHARE * (common.size() - 2);
    }

    /** {@return -1 before, 0 between, 1 behind two places} */
    private static int side(int at, int from, int to) {
        if (at < from) {
            return -1;
        }
        return at > to ? 1 : 0;
    }

    /** Whether two words stand side by side, or are members of one list, where order means little. */
    private static boolean listed(String one, String other, List<String> units) {
        int from = Math.min(units.indexOf(one), units.indexOf(other));
        int to = Math.max(units.indexOf(one), units.indexOf(other));
        boolean afterMember = true;
        for (int i = from + 1; i < to; i++) {
            boolean separates = LIST.contains(units.get(i));
            if (!separates && afterMember) {
                return false;
            }
            afterMember = !separates;
        }
        return to == from + 1 || !afterMember;
    }

    private static int at(Map<String, Integer> positions, String word) {
        return positions.getOrDefault(word, 0);
    }

    /** Where each content word stands that occurs once. */
    private static Map<String, Integer> positions(List<String> units) {
        Map<String, Integer> positions = new LinkedHashMap<>();
        Set<String> repeated = new HashSet<>();
        for (int i = 0; i < units.size(); i++) {
            if (isContent(units.get(i)) && positions.put(units.get(i), i) != null) {
                repeated.add(units.get(i));
            }
        }
        positions.keySet().removeAll(repeated);
        return positions;
    }

    private static boolean isContent(String unit) {
        return !Lexicon.isLittle(unit) && Character.isLetterOrDigit(unit.codePointAt(0));
    }

    private static boolean exchanged(
            String one, String other, Map<String, @Nullable Place> here, Map<String, @Nullable Place> there) {
        return meets(here.get(one), there.get(other)) && meets(here.get(other), there.get(one));
    }

    private static boolean meets(@Nullable Place one, @Nullable Place other) {
        return one != null && other != null && one.meets(other);
    }

    /** Words in lower case, names of several words as one, without articles. */
    private static List<String> units(String text) {
        List<String> units = new ArrayList<>();
        Matcher matcher = TOKEN.matcher(text);
        boolean inName = false;
        while (matcher.find()) {
            String token = matcher.group();
            String lower = token.toLowerCase(Locale.ROOT);
            boolean name = Character.isUpperCase(token.codePointAt(0)) && !Lexicon.isLittle(lower);
            if (Lexicon.ARTICLES.contains(lower)) {
                continue;
            }
            if (name && inName && matcher.start() > 0) {
                units.set(units.size() - 1, units.get(units.size() - 1) + " " + lower);
            } else {
                units.add(lower);
            }
            inName = name;
        }
        return units;
    }

    /** Where each content word stands that occurs once; null for those that occur more often. */
    private static Map<String, @Nullable Place> places(List<String> units) {
        Map<String, @Nullable Place> places = new HashMap<>();
        for (int i = 0; i < units.size(); i++) {
            String unit = units.get(i);
            if (!isContent(unit)) {
                continue;
            }
            String before = i == 0 ? "" : units.get(i - 1);
            String after = i + 1 == units.size() ? "" : units.get(i + 1);
            places.put(unit, places.containsKey(unit) ? null : new Place(before, after));
        }
        return places;
    }

    /** The neighbours of a word. */
    private record Place(String before, String after) {
        boolean meets(Place other) {
            return same(before, other.before) || same(after, other.after);
        }

        private static boolean same(String one, String other) {
            return one.equals(other) && !one.isEmpty() && !LIST.contains(one);
        }
    }
}
