package io.augury.streams;

import io.augury.streams.Operation.Part;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * What is kept of the values in a tile, a window or a lifetime, as far as its size is fixed.
 *
 * <p>A minimum, maximum or first value is held where the count of its argument's values is not 0.
 */
final class Parts {
    /** Where they lie: the numbers and the texts from these on. */
    record Place(int numbers, int texts) {}

    private enum Mark {
        HELD,
        LOST,
        FOUND
    }

    private record Kept(Part part, int argument) {}

    private final List<Kept> kept;
    private final Part[] parts;
    private final int[] arguments;
    private final int[] slots;
    /** Of a selected value: where the count of its argument's values is; else -1. */
    private final int[] counts;
    /** Of a first text: where it is; else -1. */
    private final int[] texts;

    private final boolean[] floating;
    /** Which selected values of a window went with a tile; for the time of that. */
    private final Mark[] marks;

    final int numberCount;
    final int textCount;

    Parts(List<WindowsPlan.Aggregate> aggregates, List<WindowsPlan.Argument> of) {
        kept = aggregates.stream()
                .flatMap(a -> a.op().parts.stream().filter(p -> p.longs > 0).map(p -> new Kept(p, a.argument())))
                .distinct()
                .sorted(Comparator.comparing(Kept::part).thenComparing(Kept::argument))
                .toList();
        int n = kept.size();
        parts = kept.stream().map(Kept::part).toArray(Part[]::new);
        arguments = kept.stream().mapToInt(Kept::argument).toArray();
        slots = new int[n];
        texts = new int[n];
        floating = new boolean[n];
        marks = new Mark[n];
        int number = 0;
        int text = 0;
        for (int i = 0; i < n; i++) {
            slots[i] = number;
            number += parts[i].longs;
            ValueType type = arguments[i] < 0 ? null : of.get(arguments[i]).type();
            floating[i] = type == ValueType.DOUBLE;
            texts[i] = parts[i] == Part.FIRST && type == ValueType.STRING ? text++ : -1;
        }
        numberCount = number;
        textCount = text;
        counts = new int[n];
        for (int i = 0; i < n; i++) {
            counts[i] = parts[i].selected() ? slot(Part.COUNT, arguments[i]) : -1;
        }
    }

    /** Gives where a part's numbers start. */
    int slot(Part part, int argument) {
        return slots[kept.indexOf(new Kept(part, argument))];
    }

    /** Gives where a first text is. */
    int text(int argument) {
        return texts[kept.indexOf(new Kept(Part.FIRST, argument))];
    }

    void add(Slots to, Place place, Event event) {
        long[] numbers = to.numbers;
        for (int i = 0; i < parts.length; i++) {
            int argument = arguments[i];
            if (argument < 0 || event.present[argument]) {
                int at = place.numbers + slots[i];
                switch (parts[i]) {
                    case COUNT -> numbers[at]++;
                    case SUM -> Int128.add(numbers, at, event.addend[argument], event.addend[argument] >> 63);
                    case SQUARES -> Int256.addSquare(numbers, at, event.addend[argument]);
                    case CUBES -> Int256.addCube(numbers, at, event.addend[argument]);
                    case FIRST -> {
                        // Events are applied in the order of the log: at one time, the one before is the first.
                        if (numbers[place.numbers + counts[i]] == 0 || event.ts < numbers[at]) {
                            numbers[at] = event.ts;
                            numbers[at + 1] = event.raw[argument];
                            if (texts[i] >= 0) {
                                to.texts[place.texts + texts[i]] = event.text[argument];
                            }
                        }
                    }
                    default -> {
                        if (numbers[place.numbers + counts[i]] == 0 || beats(i, event.raw[argument], numbers[at])) {
                            numbers[at] = event.raw[argument];
                        }
                    }
                }
            }
        }
    }

    /**
     * Takes a tile, the oldest one, out of a window. Tells whether selected values went with it, in whose place
     * those of the tiles still inside come, see {@link #fold}.
     */
    boolean subtract(Slots from, Place place, Slots tile, Place tilePlace) {
        boolean lost = false;
        for (int i = 0; i < parts.length; i++) {
            int at = place.numbers + slots[i];
            int tileAt = tilePlace.numbers + slots[i];
            switch (parts[i]) {
                case COUNT -> from.numbers[at] -= tile.numbers[tileAt];
                case SUM -> Int128.subtract(from.numbers, at, tile.numbers[tileAt], tile.numbers[tileAt + 1]);
                case SQUARES, CUBES -> Int256.subtract(from.numbers, at, tile.numbers, tileAt);
                default -> {
                    long leaving = tile.numbers[tilePlace.numbers + counts[i]];
                    long left = from.numbers[place.numbers + counts[i]] - leaving;
                    boolean gone = leaving > 0 && left > 0 && tile.numbers[tileAt] == from.numbers[at];
                    marks[i] = gone ? Mark.LOST : Mark.HELD;
                    lost |= gone;
                    if (texts[i] >= 0 && left == 0) {
                        from.texts[place.texts + texts[i]] = null;
                    }
                }
            }
        }
        return lost;
    }

    /** Selects from the next tile inside what a window has lost; tells whether later tiles matter. */
    boolean fold(Slots to, Place place, Slots tile, Place tilePlace) {
        boolean more = false;
        for (int i = 0; i < parts.length; i++) {
            if (counts[i] >= 0 && marks[i] != Mark.HELD) {
                int at = place.numbers + slots[i];
                int tileAt = tilePlace.numbers + slots[i];
                if (tile.numbers[tilePlace.numbers + counts[i]] > 0) {
                    if (parts[i] == Part.FIRST) {
                        System.arraycopy(tile.numbers, tileAt, to.numbers, at, Part.FIRST.longs);
                        if (texts[i] >= 0) {
                            to.texts[place.texts + texts[i]] = tile.texts[tilePlace.texts + texts[i]];
                        }
                        marks[i] = Mark.HELD;
                    } else if (marks[i] == Mark.LOST || beats(i, tile.numbers[tileAt], to.numbers[at])) {
                        to.numbers[at] = tile.numbers[tileAt];
                        marks[i] = Mark.FOUND;
                    }
                }
                more |= marks[i] != Mark.HELD;
            }
        }
        return more;
    }

    void copy(Slots from, Place place, Slots to, Place toPlace) {
        System.arraycopy(from.numbers, place.numbers, to.numbers, toPlace.numbers, numberCount);
        System.arraycopy(from.texts, place.texts, to.texts, toPlace.texts, textCount);
    }

    void clear(Slots of, Place place) {
        Arrays.fill(of.numbers, place.numbers, place.numbers + numberCount, 0);
        Arrays.fill(of.texts, place.texts, place.texts + textCount, null);
    }

    private boolean beats(int part, long value, long other) {
        int order = floating[part]
                ? Double.compare(Double.longBitsToDouble(value), Double.longBitsToDouble(other))
                : Long.compare(value, other);
        return parts[part] == Part.MIN ? order < 0 : order > 0;
    }
}
