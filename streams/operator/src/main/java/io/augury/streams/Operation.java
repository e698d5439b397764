package io.augury.streams;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** The catalogue of aggregates: what each takes, which parts it is computed from, what it gives, what it states. */
enum Operation {
    COUNT(Taken.ANY, ValueType.BIGINT, List.of(Part.COUNT)),
    SUM(Taken.NUMBERS, null, List.of(Part.SUM)),
    MEAN(Taken.NUMBERS, ValueType.DOUBLE, List.of(Part.SUM, Part.COUNT)),
    SHARE(Taken.BOOLEANS, ValueType.DOUBLE, List.of(Part.SUM, Part.COUNT)),
    VARIANCE(Taken.NUMBERS, ValueType.DOUBLE, List.of(Part.SUM, Part.SQUARES, Part.COUNT)),
    STDDEV(Taken.NUMBERS, ValueType.DOUBLE, List.of(Part.SUM, Part.SQUARES, Part.COUNT)),
    SKEWNESS(Taken.NUMBERS, ValueType.DOUBLE, List.of(Part.SUM, Part.SQUARES, Part.CUBES, Part.COUNT)),
    MIN(Taken.NUMBERS, null, List.of(Part.MIN, Part.COUNT)),
    MAX(Taken.NUMBERS, null, List.of(Part.MAX, Part.COUNT)),
    FIRST(Taken.KEPT, null, List.of(Part.FIRST, Part.COUNT)),
    LAST(Taken.KEPT, null, List.of(Part.LAST), "nth", "distinct"),
    COUNT_DISTINCT(Taken.KEPT, ValueType.BIGINT, List.of(Part.VALUES), "limit"),
    MODE(Taken.KEPT, null, List.of(Part.VALUES), "limit"),
    MODE_SHARE(Taken.KEPT, ValueType.DOUBLE, List.of(Part.VALUES), "limit"),
    QUANTILE(Taken.NUMBERS, null, List.of(Part.VALUES), "q", "limit"),
    DECAYED_COUNT(Taken.ANY, ValueType.DOUBLE, List.of(Part.DECAYED), "half_life"),
    DECAYED_SUM(Taken.NUMBERS, ValueType.DOUBLE, List.of(Part.DECAYED), "half_life");

    /**
     * What is kept of an argument's values. Those with a number of longs lie in each tile and window, and
     * the count comes last: where it is 0 there is no minimum, maximum or first value.
     */
    enum Part {
        MIN(1),
        MAX(1),
        /** The oldest value: its time, then itself; a text lies apart. */
        FIRST(2),
        SUM(Int128.SLOTS),
        SQUARES(Int256.SLOTS),
        CUBES(Int256.SLOTS),
        COUNT(1),
        /** The newest values of a window, see {@link Newest}. */
        LAST(0),
        /** How often each value is there, see {@link Values}. */
        VALUES(0),
        /** The sums by half-life, see {@link Decayed}. */
        DECAYED(0);

        final int longs;

        Part(int longs) {
            this.longs = longs;
        }

        /** Tells whether it is one of the values, which leaves with its tile, and another takes its place. */
        boolean selected() {
            return this == MIN || this == MAX || this == FIRST;
        }
    }

    private static final class Taken {
        static final Set<ValueType> ANY = EnumSet.allOf(ValueType.class);
        static final Set<ValueType> KEPT = EnumSet.complementOf(EnumSet.of(ValueType.TIMESTAMP));
        static final Set<ValueType> NUMBERS = EnumSet.of(ValueType.BIGINT, ValueType.DOUBLE);
        static final Set<ValueType> BOOLEANS = EnumSet.of(ValueType.BOOLEAN);
    }

    final Set<ValueType> takes;
    final List<Part> parts;
    final List<String> options;
    private final ValueType result;

    Operation(Set<ValueType> takes, ValueType result, List<Part> parts, String... options) {
        this.takes = takes;
        this.result = result;
        this.parts = parts;
        this.options = List.of(options);
    }

    /** Gives the type of the feature. */
    ValueType result(ValueType taken) {
        return result == null ? taken : result;
    }

    static Operation of(String name) {
        try {
            return valueOf(name.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException unknown) {
            throw new IllegalArgumentException("a plan's operations are " + Arrays.toString(values())
                    + "; the job cannot start (found '" + name + "')");
        }
    }
}
