package io.augury.streams;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * What is kept of the values in a tile, a window or a lifetime, in consecutive longs.
 *
 * <p>A minimum or maximum holds where the count of its argument's values is not 0.
 */
final class Parts {
    /** Counts come last, for a minimum looks at the count before its event. */
    enum Kind {
        MIN,
        MAX,
        SUM,
        COUNT
    }

    record Part(Kind kind, int argument) {}

    private final List<Part> parts;
    private final int[] slots;
    private final int[] counts;
    private final boolean[] floating;
    private final boolean extremes;
    final int size;

    Parts(List<WindowsPlan.Aggregate> aggregates, List<WindowsPlan.Argument> arguments) {
        parts = aggregates.stream()
                .filter(a -> a.op() != WindowsPlan.Op.LAST)
                .flatMap(a -> kinds(a.op()).stream().map(kind -> new Part(kind, a.argument())))
                .distinct()
                .sorted(Comparator.comparing(Part::kind).thenComparing(Part::argument))
                .toList();
        slots = new int[parts.size()];
        counts = new int[parts.size()];
        floating = new boolean[parts.size()];
        int next = 0;
        for (int i = 0; i < slots.length; i++) {
            slots[i] = next;
            next += parts.get(i).kind() == Kind.SUM ? Int128.SLOTS : 1;
            int argument = parts.get(i).argument();
            floating[i] = argument >= 0 && arguments.get(argument).type() == ValueType.DOUBLE;
        }
        size = next;
        for (int i = 0; i < counts.length; i++) {
            counts[i] = extreme(i) ? slot(Kind.COUNT, parts.get(i).argument()) : -1;
        }
        extremes = parts.stream().anyMatch(p -> p.kind() == Kind.MIN || p.kind() == Kind.MAX);
    }

    private static List<Kind> kinds(WindowsPlan.Op op) {
        return switch (op) {
            case COUNT -> List.of(Kind.COUNT);
            case SUM -> List.of(Kind.SUM);
            case MEAN, SHARE -> List.of(Kind.SUM, Kind.COUNT);
            case MIN -> List.of(Kind.MIN, Kind.COUNT);
            case MAX -> List.of(Kind.MAX, Kind.COUNT);
            case LAST -> List.of();
        };
    }

    int slot(Kind kind, int argument) {
        return slots[parts.indexOf(new Part(kind, argument))];
    }

    private boolean extreme(int part) {
        return parts.get(part).kind() == Kind.MIN || parts.get(part).kind() == Kind.MAX;
    }

    void add(long[] to, int base, Event event) {
        for (int i = 0; i < slots.length; i++) {
            Part part = parts.get(i);
            int argument = part.argument();
            if (argument < 0 || event.present[argument]) {
                int at = base + slots[i];
                switch (part.kind()) {
                    case COUNT -> to[at]++;
                    case SUM -> Int128.add(to, at, event.addend[argument], event.addend[argument] >> 63);
                    default -> {
                        if (to[base + counts[i]] == 0 || beats(i, event.raw[argument], to[at])) {
                            to[at] = event.raw[argument];
                        }
                    }
                }
            }
        }
    }

    /** Takes a tile out of a window, and tells whether the tile may have held one of its extremes. */
    boolean subtract(long[] from, int base, long[] tile, int tileBase) {
        boolean held = false;
        for (int i = 0; i < slots.length; i++) {
            int at = base + slots[i];
            int tileAt = tileBase + slots[i];
            switch (parts.get(i).kind()) {
                case COUNT -> from[at] -= tile[tileAt];
                case SUM -> Int128.subtract(from, at, tile[tileAt], tile[tileAt + 1]);
                default -> held |= tile[tileBase + counts[i]] > 0 && tile[tileAt] == from[at];
            }
        }
        return extremes && held;
    }

    /** Folds a tile's extremes into a window's; {@code seen} tells which of them hold a value already. */
    void fold(long[] to, int base, long[] tile, int tileBase, boolean[] seen) {
        for (int i = 0; i < slots.length; i++) {
            if (extreme(i) && tile[tileBase + counts[i]] > 0) {
                long value = tile[tileBase + slots[i]];
                if (!seen[i] || beats(i, value, to[base + slots[i]])) {
                    to[base + slots[i]] = value;
                    seen[i] = true;
                }
            }
        }
    }

    boolean[] unseen() {
        return new boolean[slots.length];
    }

    private boolean beats(int part, long value, long other) {
        int order = floating[part]
                ? Double.compare(Double.longBitsToDouble(value), Double.longBitsToDouble(other))
                : Long.compare(value, other);
        return parts.get(part).kind() == Kind.MIN ? order < 0 : order > 0;
    }
}
