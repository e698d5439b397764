package io.augury.streams;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;

/**
 * Where an entity's state lies in one array of longs, computed from the plan.
 *
 * <p>Windows of one hop share tiles, which form a list in the order of time: the state holds the newest
 * one, each window's cursor the oldest one inside it, each tile the next one. {@link #NONE} stands for no
 * tile, and for no timer.
 */
final class Layout {
    static final long NONE = Long.MAX_VALUE;

    static final int SEQ = 0;
    static final int NEWEST_TIME = 1;
    static final int CLOCK = 2;
    static final int TIMER = 3;
    private static final int FIXED = 4;

    /** In a tile: the start of the next tile, then its parts. */
    static final int NEXT = 0;

    static final int TILE_PARTS = 1;

    /** A newest value: whether there is one, its place in (ts, T, partition, offset), the value. */
    static final int PRESENT = 0;

    static final int TS = 1;
    static final int T = 2;
    static final int PARTITION = 3;
    static final int OFFSET = 4;
    static final int VALUE = 5;
    private static final int LAST_SLOTS = 6;

    /** A window: its cursor is at {@code cursor}, its parts from {@code base} on. */
    record Span(WindowsPlan.Window window, int cursor, int base, List<Last> lasts) {
        long leavesAt(long[] state) {
            return state[cursor] == NONE ? NONE : window.leavesAt(state[cursor]);
        }
    }

    /** Windows of one hop, the widest one last. */
    record Tiles(long hop, Parts parts, int newest, List<Span> spans) {
        Span widest() {
            return spans.get(spans.size() - 1);
        }
    }

    /** A newest value: slots from {@code base} on, its topic at {@code text}, its text behind that. */
    record Last(int base, int text, int argument, boolean textual) {}

    final List<Tiles> tiles = new ArrayList<>();
    final Parts lifetime;
    final int lifetimeBase;
    final List<Last> lifetimeLasts;
    final int texts;
    final List<Reading> readings = new ArrayList<>();
    private final int size;

    /** How an aggregate is read: from which parts at which base, or from which newest value. */
    record Reading(WindowsPlan.Aggregate aggregate, ValueType argument, int sum, int count, int extreme, Last last) {}

    private int nextText;

    Layout(WindowsPlan plan) {
        int next = FIXED;
        Span[] spans = new Span[plan.windows().size()];
        Parts[] parts = new Parts[spans.length];
        TreeSet<Long> hops = new TreeSet<>();
        plan.windows().forEach(w -> hops.add(w.hop()));
        for (long hop : hops) {
            List<WindowsPlan.Window> sharing = plan.windows().stream()
                    .filter(w -> w.hop() == hop)
                    .sorted((a, b) -> Long.compare(a.size(), b.size()))
                    .toList();
            Parts shared = new Parts(
                    plan.aggregates().stream()
                            .filter(a -> a.window() >= 0 && sharing.contains(plan.windows().get(a.window())))
                            .toList(),
                    plan.arguments());
            int newest = next++;
            List<Span> wide = new ArrayList<>();
            for (WindowsPlan.Window window : sharing) {
                int index = plan.windows().indexOf(window);
                int cursor = next++;
                int base = next;
                next += shared.size;
                List<Last> lasts = lasts(plan, index, next);
                next += lasts.size() * LAST_SLOTS;
                spans[index] = new Span(window, cursor, base, lasts);
                parts[index] = shared;
                wide.add(spans[index]);
            }
            tiles.add(new Tiles(hop, shared, newest, wide));
        }
        lifetime = new Parts(plan.aggregates().stream().filter(a -> a.window() < 0).toList(), plan.arguments());
        lifetimeBase = next;
        next += lifetime.size;
        lifetimeLasts = lasts(plan, -1, next);
        size = next + lifetimeLasts.size() * LAST_SLOTS;
        texts = nextText;
        for (WindowsPlan.Aggregate a : plan.aggregates()) {
            readings.add(a.window() < 0
                    ? reading(plan, a, lifetime, lifetimeBase, lifetimeLasts)
                    : reading(plan, a, parts[a.window()], spans[a.window()].base(), spans[a.window()].lasts()));
        }
    }

    private List<Last> lasts(WindowsPlan plan, int window, int base) {
        List<Last> lasts = new ArrayList<>();
        int[] arguments = plan.aggregates().stream()
                .filter(a -> a.op() == WindowsPlan.Op.LAST && a.window() == window)
                .mapToInt(WindowsPlan.Aggregate::argument)
                .distinct()
                .toArray();
        for (int argument : arguments) {
            boolean textual = plan.arguments().get(argument).type() == ValueType.STRING;
            lasts.add(new Last(base + lasts.size() * LAST_SLOTS, nextText, argument, textual));
            nextText += textual ? 2 : 1;
        }
        return lasts;
    }

    private static Reading reading(WindowsPlan plan, WindowsPlan.Aggregate a, Parts parts, int base, List<Last> lasts) {
        ValueType argument = a.argument() < 0 ? null : plan.arguments().get(a.argument()).type();
        int sum = -1;
        int count = -1;
        int extreme = -1;
        Last last = null;
        switch (a.op()) {
            case LAST -> last = lasts.stream().filter(l -> l.argument() == a.argument()).findFirst().orElseThrow();
            case SUM -> sum = base + parts.slot(Parts.Kind.SUM, a.argument());
            case COUNT -> count = base + parts.slot(Parts.Kind.COUNT, a.argument());
            case MEAN, SHARE -> {
                sum = base + parts.slot(Parts.Kind.SUM, a.argument());
                count = base + parts.slot(Parts.Kind.COUNT, a.argument());
            }
            case MIN, MAX -> {
                Parts.Kind kind = a.op() == WindowsPlan.Op.MIN ? Parts.Kind.MIN : Parts.Kind.MAX;
                extreme = base + parts.slot(kind, a.argument());
                count = base + parts.slot(Parts.Kind.COUNT, a.argument());
            }
        }
        return new Reading(a, argument, sum, count, extreme, last);
    }

    long[] freshState() {
        long[] state = new long[size];
        Arrays.fill(state, NEWEST_TIME, TIMER, Long.MIN_VALUE);
        state[TIMER] = NONE;
        tiles.forEach(t -> t.spans().forEach(span -> state[span.cursor()] = NONE));
        return state;
    }

    /** Gives the earliest clock time at which a tile leaves a window. */
    long boundary(long[] state) {
        long earliest = NONE;
        for (Tiles t : tiles) {
            for (Span span : t.spans()) {
                earliest = Math.min(earliest, span.leavesAt(state));
            }
        }
        return earliest;
    }
}
