/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.EnumSet;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * A difference between two texts that their embeddings hardly show and that changes the answer. A stored text that
 * differs so from the asked one is no hit, however near it is. Deterministic; word lists are English, the rest works in
 * every language that puts blanks between words.
 */
public enum Veto {
    /** Other numbers, in digits or in words, or numbers on one side only. */
    NUMBERS {
        @Override
        boolean differ(VetoText a, VetoText b) {
            return a.numbersDiffer(b);
        }
    },
    /** Another unit of measure, currency, weekday or month. */
    UNITS {
        @Override
        boolean differ(VetoText a, VetoText b) {
            return Lexicon.unitsDiffer(a.set(), b.set()) || !a.symbols().equals(b.symbols());
        }
    },
    /** An odd number of negations on one side, an even one on the other. */
    NEGATION {
        @Override
        boolean differ(VetoText a, VetoText b) {
            return a.negations() % 2 != b.negations() % 2;
        }
    },
    /** A word on one side and its opposite on the other: on and off, legal and illegal. */
    ANTONYMS {
        @Override
        boolean differ(VetoText a, VetoText b) {
            return Lexicon.opposed(a.set(), b.set());
        }
    },
    /** Another question word: who, when, where, why, how many. */
    QUESTION {
        @Override
        boolean differ(VetoText a, VetoText b) {
            return !a.question().isEmpty()
                    && !b.question().isEmpty()
                    && !a.question().equals(b.question());
        }
    },
    /** Each side has a name, or another capitalised word, that the other lacks. */
    NAMES {
        @Override
        boolean differ(VetoText a, VetoText b) {
            return a.namesOnlyHere(b) && b.namesOnlyHere(a);
        }
    },
    /** Other quotations, code, addresses or identifiers. */
    QUOTES {
        @Override
        boolean differ(VetoText a, VetoText b) {
            return a.quotesOnlyHere(b) || b.quotesOnlyHere(a) || (a.identifiersOnlyHere(b) && b.identifiersOnlyHere(a));
        }
    },
    /** The same words in an order that may mean something else: from here to there, from there to here. */
    ORDER {
        @Override
        boolean differ(VetoText a, VetoText b) {
            return WordOrder.differs(a, b);
        }
    },
    /** Another language or script. */
    LANGUAGE {
        @Override
        boolean differ(VetoText a, VetoText b) {
            return !a.script().equals(b.script())
                    || (!a.language().isEmpty()
                            && !b.language().isEmpty()
                            && !a.language().equals(b.language()));
        }
    };

    abstract boolean differ(VetoText a, VetoText b);

    /** {@return the first of these vetoes that keeps two texts apart, in the order of their declaration} */
    public static Optional<Veto> between(String a, String b, Set<Veto> vetoes) {
        return between(new VetoText(a), new VetoText(b), vetoes);
    }

    static Optional<Veto> between(VetoText a, VetoText b, Set<Veto> vetoes) {
        if (a.raw().equals(b.raw())) {
            return Optional.empty();
        }
        return vetoes.stream().sorted().filter(veto -> veto.differ(a, b)).findFirst();
    }

    /** {@return all vetoes} */
    public static Set<Veto> all() {
        return EnumSet.allOf(Veto.class);
    }

    /** {@return the name as outcomes and statistics tell it, in lower case} */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
