/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/** The words the vetoes know. General vocabulary, written down without looking at any test set. */
final class Lexicon {
    static final Set<String> NEGATIONS = words("""
            not no never without none nor neither nobody nothing nowhere non except unless hardly barely scarcely
            """);

    /** Words that ask for one kind of thing. */
    static final Set<String> QUESTIONS = words("who whom whose when where why");
    /** Words that ask for anything, so that another wording may use another one. */
    static final Set<String> OPEN_QUESTIONS = words("what which how");
    /** After "how", these ask for an amount. */
    static final Set<String> AMOUNTS = words("many much long often far old tall big large deep high fast");

    /** Little words that tie a word to its part in the sentence. */
    static final Set<String> RELATIONS =
            words("from to than over versus vs by into for before after under against with of in at on");

    static final Set<String> ARTICLES = words("a an the my your his her our their this that");

    private static final Set<String> LITTLE = words("""
            a an the this that these those my your his her its our their and or but if then so as of in on at to for
            from by with about into over after before between under above up down out off than is are was were be been
            being am do does did have has had can could will would shall should may might must i you he she it we they
            me him them us what which who whom whose when where why how there here also very just only some any all each
            """);

    static final Map<String, String> NUMBERS = numbers();

    private static final Map<String, Set<String>> OPPOSITES = opposites("""
            enable/disable enabled/disabled increase/decrease raise/lower grow/shrink rise/fall on/off up/down in/out
            ascending/descending advantage/disadvantage pro/con benefit/drawback strength/weakness
            buy/sell purchase/sale lend/borrow lender/borrower withdraw/deposit give/take send/receive sent/received
            import/export upload/download push/pull open/close opened/closed start/stop begin/end first/last
            early/late earlier/later before/after above/below over/under inside/outside internal/external
            input/output read/write add/remove add/delete insert/delete create/delete create/destroy attach/detach
            include/exclude allow/deny allow/forbid allow/block permit/prohibit permit/forbid accept/reject approve/reject
            approve/deny grant/revoke lock/unlock encrypt/decrypt encode/decode compress/decompress connect/disconnect
            install/uninstall mount/unmount load/unload subscribe/unsubscribe follow/unfollow like/dislike love/hate
            true/false yes/no right/wrong correct/incorrect valid/invalid positive/negative plus/minus
            success/failure succeed/fail pass/fail win/lose winner/loser gain/lose gain/loss profit/loss
            best/worst better/worse good/bad more/less most/least many/few much/little maximum/minimum max/min
            maximize/minimize highest/lowest higher/lower high/low largest/smallest larger/smaller large/small big/small
            longest/shortest longer/shorter long/short tall/short wide/narrow thick/thin deep/shallow heavy/light
            fast/slow faster/slower fastest/slowest quick/slow hot/cold warm/cool hotter/colder wet/dry
            old/new older/newer older/younger old/young oldest/youngest oldest/newest ancient/modern
            cheap/expensive cheapest/dearest easy/hard easy/difficult simple/complex rich/poor strong/weak
            safe/unsafe safe/dangerous legal/illegal public/private open/closed free/paid full/empty
            same/different similar/different equal/different alike/different synonym/antonym
            male/female man/woman men/women boy/girl boys/girls husband/wife father/mother son/daughter brother/sister
            king/queen he/she his/her uncle/aunt
            left/right north/south east/west northern/southern eastern/western top/bottom front/back forward/backward
            horizontal/vertical row/column rows/columns arrive/depart arrival/departure enter/leave entry/exit enter/exit
            day/night morning/evening am/pm summer/winter spring/autumn today/tomorrow today/yesterday yesterday/tomorrow
            past/future previous/next prior/subsequent bc/ad
            always/never always/sometimes all/none everything/nothing everyone/nobody any/none with/without
            present/absent alive/dead living/dead birth/death born/died cause/prevent cause/effect
            attack/defend help/hurt hurt/heal build/destroy ally/enemy friend/enemy guilty/innocent
            teacher/student employer/employee buyer/seller landlord/tenant parent/child client/server host/guest
            supply/demand asset/liability assets/liabilities income/expense income/expenses debit/credit revenue/cost
            majority/minority single/multiple singular/plural odd/even prime/composite rational/irrational
            local/global local/remote static/dynamic synchronous/asynchronous temporary/permanent
            forward/reverse freeze/unfreeze activate/deactivate wrap/unwrap bind/unbind pause/resume
            vegetarian/meat raw/cooked hire/fire hired/fired promote/demote appear/disappear
            acid/base solid/liquid liquid/gas mammal/reptile
            """);

    private static final List<String> NEGATING_PREFIXES =
            List.of("un", "in", "im", "ir", "il", "dis", "non", "de", "anti", "mis");

    private static final List<Set<String>> UNIT_KINDS = Stream.of(
                    "second seconds minute minutes hour hours day days week weeks month months year years decade"
                            + " decades century centuries daily weekly monthly yearly annual annually quarterly hourly",
                    "mm cm m km meter meters metre metres kilometer kilometers kilometre kilometres centimeter centimeters"
                            + " millimeter millimeters mile miles foot feet inch inches yard yards",
                    "mg g kg gram grams kilogram kilograms milligram milligrams pound pounds lb lbs ounce ounces oz ton tons",
                    "ml l liter liters litre litres gallon gallons pint pints quart cup cups tablespoon tablespoons"
                            + " teaspoon teaspoons",
                    "celsius fahrenheit kelvin",
                    "bit bits byte bytes kb mb gb tb kilobyte kilobytes megabyte megabytes gigabyte gigabytes terabyte"
                            + " terabytes",
                    "dollar dollars usd euro euros eur sterling gbp yen jpy yuan cny rupee rupees inr franc francs chf",
                    "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays"
                            + " fridays saturdays sundays",
                    "january february march april june july august september october november december jan feb mar apr"
                            + " jun jul aug sep sept oct nov dec",
                    "thousand thousands million millions billion billions trillion trillions",
                    "percent percentage basis")
            .map(Lexicon::words)
            .toList();

    private static final Map<String, Set<String>> LANGUAGES = Map.of(
            "en", words("the is are was what which how do does of and you my with for this that have can to"),
            "de", words("der die das ist und ein eine wie was ich nicht mit von zu den für auf wer kann mein sie wo"),
            "fr", words("le la les est et un une des du que qui dans pour avec je vous comment quelle quel mon pas où"),
            "es", words("el los las es y una que de como para con por qué cuál cómo mi puedo en del está dónde"),
            "it", words("il lo gli è e una che di come per con quale qual posso mio sono della dove cosa"),
            "pt", words("o os as é e uma que de como para com por qual meu posso em do da não onde"),
            "nl", words("de het een is en wat hoe van ik niet met voor mijn kan welke waar"));
    /** Little words a text must have of its language, beyond those of any other. */
    private static final int CLEAR_LEAD = 2;

    /** Words too common to be a name when they are capitalised, as in titles. */
    private static final Set<String> COMMON = words("""
            i ok please thanks thank hello hi dear yes no explain describe write tell give list find show make create
            translate summarize compare define help need want
            """);

    private Lexicon() {}

    private static Set<String> words(String list) {
        return Set.copyOf(new HashSet<>(List.of(list.strip().split("\\s+", -1))));
    }

    private static Map<String, String> numbers() {
        Map<String, String> numbers = new HashMap<>();
        String[] small =
                ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
                                + " sixteen seventeen eighteen nineteen twenty")
                        .split(" ", -1);
        for (int i = 0; i < small.length; i++) {
            numbers.put(small[i], Integer.toString(i));
        }
        numbers.remove("one"); // mostly a pronoun: the one, which one
        String[] tens = "thirty forty fifty sixty seventy eighty ninety hundred".split(" ", -1);
        for (int i = 0; i < tens.length; i++) {
            numbers.put(tens[i], Integer.toString(10 * (i + 3)));
        }
        return Map.copyOf(numbers);
    }

    private static Map<String, Set<String>> opposites(String list) {
        Map<String, Set<String>> opposites = new HashMap<>();
        for (String pair : words(list)) {
            String[] sides = pair.split("/", -1);
            opposites.computeIfAbsent(sides[0], word -> new HashSet<>()).add(sides[1]);
            opposites.computeIfAbsent(sides[1], word -> new HashSet<>()).add(sides[0]);
        }
        return opposites;
    }

    static boolean isLittle(String word) {
        return LITTLE.contains(word);
    }

    static boolean isCommon(String word) {
        return COMMON.contains(word) || LITTLE.contains(word);
    }

    /** Whether a word that only one text has is the opposite of one that only the other has. */
    static boolean opposed(Set<String> one, Set<String> other) {
        Set<String> here = without(one, other);
        Set<String> there = without(other, one);
        for (String word : here) {
            if (anyForm(word)
                    .anyMatch(form -> OPPOSITES.getOrDefault(form, Set.of()).stream()
                            .anyMatch(opposite ->
                                    there.stream().flatMap(Lexicon::anyForm).anyMatch(opposite::equals)))) {
                return true;
            }
        }
        return negated(here, there) || negated(there, here);
    }

    /** Whether a word here is one there with a negating prefix, or "-less" for its "-ful". */
    private static boolean negated(Set<String> here, Set<String> there) {
        for (String word : here) {
            for (String prefix : NEGATING_PREFIXES) {
                if (word.length() > 3 && there.contains(prefix + word)) {
                    return true;
                }
            }
            if (word.endsWith("ful") && there.contains(word.substring(0, word.length() - 3) + "less")) {
                return true;
            }
        }
        return false;
    }

    /** The word, and what it may be a plural, a verb's form or a comparison of. */
    private static Stream<String> anyForm(String word) {
        Stream.Builder<String> forms = Stream.builder();
        forms.add(word);
        if (word.length() > 3 && word.endsWith("s")) {
            forms.add(word.substring(0, word.length() - 1));
        }
        if (word.length() > 4 && word.endsWith("ed")) {
            forms.add(word.substring(0, word.length() - 2)).add(word.substring(0, word.length() - 1));
        }
        if (word.length() > 5 && word.endsWith("ing")) {
            String stem = word.substring(0, word.length() - 3);
            forms.add(stem).add(stem + "e");
            if (stem.charAt(stem.length() - 1) == stem.charAt(stem.length() - 2)) {
                forms.add(stem.substring(0, stem.length() - 1));
            }
        }
        if (word.length() > 4 && word.endsWith("er")) {
            forms.add(word.substring(0, word.length() - 2)).add(word.substring(0, word.length() - 1));
        }
        if (word.length() > 5 && word.endsWith("est")) {
            forms.add(word.substring(0, word.length() - 3)).add(word.substring(0, word.length() - 2));
        }
        return forms.build();
    }

    /** Whether both name a unit, day or month of one kind, and not the same ones. */
    static boolean unitsDiffer(Set<String> one, Set<String> other) {
        for (Set<String> kind : UNIT_KINDS) {
            Set<String> here = units(one, kind);
            Set<String> there = units(other, kind);
            if (!here.isEmpty() && !there.isEmpty() && !here.equals(there)) {
                return true;
            }
        }
        return false;
    }

    private static Set<String> units(Set<String> words, Set<String> kind) {
        Set<String> units = new HashSet<>();
        for (String word : words) {
            if (kind.contains(word)) {
                boolean plural = word.endsWith("s") && kind.contains(word.substring(0, word.length() - 1));
                units.add(plural ? word.substring(0, word.length() - 1) : word);
            }
        }
        return units;
    }

    static String languageOf(List<String> words) {
        String best = "";
        long most = 0;
        long second = 0;
        for (Map.Entry<String, Set<String>> language : LANGUAGES.entrySet()) {
            long count = words.stream().filter(language.getValue()::contains).count();
            if (count > most) {
                second = most;
                most = count;
                best = language.getKey();
            } else if (count > second) {
                second = count;
            }
        }
        return most - second >= CLEAR_LEAD ? best : "";
    }

    private static Set<String> without(Set<String> one, Set<String> other) {
        Set<String> rest = new HashSet<>(one);
        rest.removeAll(other);
        return rest;
    }
}
