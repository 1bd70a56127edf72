/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A text as the vetoes see it. Not thread-safe; made for one comparison, or for one text against several. */
final class VetoText {
    // Possessive where a group repeats: a long text must not take a stack frame for each number in it.
    private static final Pattern WORD = Pattern.compile("\\p{L}[\\p{L}\\p{M}]*|\\d++(?:[.,:/]\\d++)*+");
    private static final Pattern NUMBER = Pattern.compile("\\d++(?:[.,:/]\\d++)*+");
    private static final Pattern QUOTATION = Pattern.compile(
            "\"([^\"]+)\"|\u201C([^\u201D]+)\u201D|\u00AB([^\u00BB]+)\u00BB|`+([^`]+)`+|(?<![\\p{L}\\p{N}])'([^']+)'(?![\\p{L}\\p{N}])");
    /** Addresses, paths, and words with a sign, a digit or a capital inside. */
    private static final Pattern IDENTIFIER = Pattern.compile(
            "\\w+://\\S+|\\S+@\\S+\\.\\w+|[\\w.]*/[\\w./]+\\w|\\w+_\\w+"
                    + "|\\p{L}[+#]+(?=\\W|$)|\\p{L}+\\d[\\p{L}\\d]*|\\p{Ll}+\\p{Lu}\\w*|-{1,2}\\p{L}[\\w-]*(?<=\\s-{1,2}\\p{L}[\\w-]{0,40})");

    /** A "no" that answers and negates nothing by itself. */
    private static final Pattern ANSWERED_NO = Pattern.compile("^\\s*(?i:no)\\s*,");

    private static final Pattern SYMBOL = Pattern.compile("[%\\u2030\\u00B0]|\\p{Sc}");

    private final String raw;
    private final List<String> cased = new ArrayList<>();
    private final List<String> words = new ArrayList<>();
    private final Set<String> set;

    VetoText(String raw) {
        this.raw = raw;
        String plain = raw.replace('\u2019', '\'')
                .replaceAll("(?i)\\bcan't\\b", "can not")
                .replaceAll("(?i)\\bwon't\\b", "will not")
                .replaceAll("(?i)\\bcannot\\b", "can not")
                .replaceAll("(?i)n't\\b", " not")
                .replaceAll("(?i)'(?:s|re|ve|ll|m|d)\\b", "");
        Matcher matcher = WORD.matcher(plain);
        while (matcher.find()) {
            cased.add(matcher.group());
            words.add(matcher.group().toLowerCase(Locale.ROOT));
        }
        set = new HashSet<>(words);
    }

    String raw() {
        return raw;
    }

    /** {@return the words and numbers in lower case, in order, contractions resolved} */
    List<String> words() {
        return words;
    }

    /** {@return the words as they stand} */
    List<String> cased() {
        return cased;
    }

    Set<String> set() {
        return set;
    }

    /** {@return whether a number in digits has no like here or there, or each text has a number the other lacks} */
    boolean numbersDiffer(VetoText other) {
        Set<String> here = numbers();
        Set<String> there = other.numbers();
        if (here.equals(there)) {
            return false;
        }
        return !digits().equals(other.digits()) || (!here.containsAll(there) && !there.containsAll(here));
    }

    /** {@return the numbers in digits} */
    private Set<String> digits() {
        Set<String> digits = new TreeSet<>();
        Matcher matcher = NUMBER.matcher(raw);
        while (matcher.find()) {
            digits.add(normalised(matcher.group()));
        }
        return digits;
    }

    /** {@return the numbers in digits and in words} */
    private Set<String> numbers() {
        Set<String> numbers = digits();
        for (String word : words) {
            String number = Lexicon.NUMBERS.get(word);
            if (number != null) {
                numbers.add(number);
            }
        }
        return numbers;
    }

    private static String normalised(String number) {
        String plain = number.replaceAll(",(?=\\d{3}(?:\\D|$))", "");
        return plain.matches("\\d+\\.\\d+") ? plain.replaceAll("\\.?0+$", "") : plain;
    }

    Set<String> symbols() {
        Set<String> symbols = new TreeSet<>();
        Matcher matcher = SYMBOL.matcher(raw);
        while (matcher.find()) {
            symbols.add(matcher.group());
        }
        return symbols;
    }

    long negations() {
        long negations = words.stream().filter(Lexicon.NEGATIONS::contains).count();
        return ANSWERED_NO.matcher(raw).find() ? negations - 1 : negations;
    }

    /** {@return the question word, empty when there is none or when it asks for anything} */
    String question() {
        for (int i = 0; i < words.size(); i++) {
            String word = words.get(i);
            if (Lexicon.QUESTIONS.contains(word)) {
                return word;
            }
            if (word.equals("how") && i + 1 < words.size() && Lexicon.AMOUNTS.contains(words.get(i + 1))) {
                return word + " " + words.get(i + 1);
            }
            if (Lexicon.OPEN_QUESTIONS.contains(word)) {
                return "";
            }
        }
        return "";
    }

    /** {@return whether there is a capitalised word here that the other text lacks in any writing} */
    boolean namesOnlyHere(VetoText other) {
        for (int i = 0; i < cased.size(); i++) {
            String word = cased.get(i);
            if (Character.isUpperCase(word.codePointAt(0))
                    && !other.hasAnyNumberOf(words.get(i))
                    && !Lexicon.isCommon(words.get(i))
                    && (i > 0 || (word.length() > 1 && Character.isUpperCase(word.charAt(1))))) {
                return true;
            }
        }
        return false;
    }

    /** {@return whether the word is in the text, in the singular or the plural} */
    private boolean hasAnyNumberOf(String word) {
        return set.contains(word)
                || set.contains(word + "s")
                || (word.endsWith("s") && set.contains(word.substring(0, word.length() - 1)));
    }

    /** {@return whether a quotation here has words that the other text lacks} */
    boolean quotesOnlyHere(VetoText other) {
        return quotes().stream().map(VetoText::new).anyMatch(quote -> !other.set.containsAll(quote.set));
    }

    /** {@return whether there is an identifier here that the other text lacks in any writing} */
    boolean identifiersOnlyHere(VetoText other) {
        String letters = lettersAndDigits(other.raw);
        return identifiers().stream().anyMatch(identifier -> !letters.contains(lettersAndDigits(identifier)));
    }

    private static String lettersAndDigits(String text) {
        return text.toLowerCase(Locale.ROOT).replaceAll("[^\\p{L}\\p{N}+#]", "");
    }

    private Set<String> quotes() {
        Set<String> quotes = new TreeSet<>();
        Matcher matcher = QUOTATION.matcher(raw.replace('\u2019', '\''));
        while (matcher.find()) {
            for (int group = 1; group <= matcher.groupCount(); group++) {
                String quoted = matcher.group(group);
                if (quoted != null) {
                    quotes.add(quoted.strip().toLowerCase(Locale.ROOT));
                }
            }
        }
        return quotes;
    }

    private Set<String> identifiers() {
        Set<String> identifiers = new TreeSet<>();
        Matcher matcher = IDENTIFIER.matcher(raw);
        while (matcher.find()) {
            identifiers.add(matcher.group().toLowerCase(Locale.ROOT));
        }
        return identifiers;
    }

    /** {@return the scripts of its letters} */
    Set<Character.UnicodeScript> script() {
        Set<Character.UnicodeScript> scripts = new HashSet<>();
        raw.codePoints().filter(Character::isLetter).forEach(c -> scripts.add(Character.UnicodeScript.of(c)));
        scripts.remove(Character.UnicodeScript.COMMON);
        return scripts;
    }

    /** {@return the language its little words are of; empty when that is not clear} */
    String language() {
        return Lexicon.languageOf(words);
    }
}
