package io.augury.streams;

import io.augury.streams.Operation.Part;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * Where an entity's state lies in its slots, computed from the plan.
 *
 * <p>Windows of one hop share tiles, which form a list in the order of time: each window's cursor is the
 * oldest one inside it, each tile tells the next one, and the newest one lies in the entity's own slots.
 * {@link #NONE} stands for no tile, and for no timer.
 */
final class Layout {
    static final long NONE = Long.MAX_VALUE;

    static final int SEQ = 0;
    static final int NEWEST_TIME = 1;
    static final int CLOCK = 2;
    static final int TIMER = 3;
    private static final int FIXED = 4;

    /** In the slots of a tile: the start of the next tile, then its parts. */
    static final int NEXT = 0;

    static final Parts.Place TILE = new Parts.Place(1, 0);

    /** A window, or the lifetime, whose window is null; the cursor's index, and where its parts are. */
    record Span(WindowsPlan.Window window, int cursor, Parts.Place place, List<Newest> newest) {
        long leavesAt(Slots state) {
            return state.numbers[cursor] == NONE ? NONE : window.leavesAt(state.numbers[cursor]);
        }
    }

    /**
     * Windows of one hop, the widest one last; or the lifetime alone, which has no tiles and the hop 0.
     *
     * @param newest where the start of the newest tile is
     * @param head where the parts of the newest tile are
     */
    record Sharing(long hop, Parts parts, int newest, Parts.Place head, List<Span> spans, List<Values> values,
            List<Decayed> decayed) {
        Span widest() {
            return spans.get(spans.size() - 1);
        }
    }

    final List<Sharing> tiled = new ArrayList<>();
    final Sharing lifetime;
    final List<Function<Slots, Object>> readings = new ArrayList<>();
    private int numbers = FIXED;
    private int texts;
    private int frequencies;

    Layout(WindowsPlan plan) {
        TreeSet<Long> hops = new TreeSet<>();
        plan.windows().forEach(w -> hops.add(w.hop()));
        for (long hop : hops) {
            List<WindowsPlan.Window> windows = plan.windows().stream()
                    .filter(w -> w.hop() == hop)
                    .sorted(Comparator.comparing(WindowsPlan.Window::size))
                    .toList();
            tiled.add(sharing(plan, hop, windows));
        }
        lifetime = sharing(plan, 0, Collections.singletonList(null));
        for (WindowsPlan.Aggregate a : plan.aggregates()) {
            readings.add(Readings.of(plan, a, a.window() < 0 ? lifetime : tiled(plan.over(a).hop())));
        }
    }

    private Sharing tiled(long hop) {
        return tiled.stream().filter(t -> t.hop() == hop).findFirst().orElseThrow();
    }

    private Sharing sharing(WindowsPlan plan, long hop, List<WindowsPlan.Window> windows) {
        List<WindowsPlan.Aggregate> over =
                plan.aggregates().stream().filter(a -> windows.contains(plan.over(a))).toList();
        Parts parts = new Parts(over, plan.arguments());
        int newest = numbers++;
        Parts.Place head = hop > 0 ? place(parts) : null;
        List<Span> spans = new ArrayList<>();
        for (WindowsPlan.Window window : windows) {
            List<WindowsPlan.Aggregate> own = over.stream().filter(a -> Objects.equals(plan.over(a), window)).toList();
            spans.add(new Span(window, numbers++, place(parts), newest(plan, own)));
        }
        return new Sharing(hop, parts, newest, head, spans, values(plan, over, windows), decayed(over));
    }

    private Parts.Place place(Parts parts) {
        Parts.Place place = new Parts.Place(numbers, texts);
        numbers += parts.numberCount;
        texts += parts.textCount;
        return place;
    }

    private List<Newest> newest(WindowsPlan plan, List<WindowsPlan.Aggregate> aggregates) {
        List<Newest> all = new ArrayList<>();
        for (WindowsPlan.Aggregate a : aggregates) {
            if (a.has(Part.LAST) && all.stream().noneMatch(n -> n.serves(a))) {
                int depth = aggregates.stream()
                        .filter(b -> b.has(Part.LAST) && b.argument() == a.argument()
                                && b.options().distinct() == a.options().distinct())
                        .mapToInt(b -> b.options().nth())
                        .max()
                        .orElseThrow();
                boolean textual = plan.arguments().get(a.argument()).type() == ValueType.STRING;
                Newest newest = new Newest(a.argument(), textual, a.options().distinct(), depth, numbers, textual ? texts : -1);
                numbers += newest.numberCount();
                texts += textual ? depth : 0;
                all.add(newest);
            }
        }
        return all;
    }

    private List<Values> values(
            WindowsPlan plan, List<WindowsPlan.Aggregate> aggregates, List<WindowsPlan.Window> windows) {
        List<WindowsPlan.Aggregate> counted = aggregates.stream().filter(a -> a.has(Part.VALUES)).toList();
        List<Values> all = new ArrayList<>();
        for (int argument : counted.stream().mapToInt(WindowsPlan.Aggregate::argument).distinct().toArray()) {
            List<WindowsPlan.Aggregate> of = counted.stream().filter(a -> a.argument() == argument).toList();
            int[] inSpans = windows.stream()
                    .mapToInt(w -> of.stream().anyMatch(a -> Objects.equals(plan.over(a), w)) ? frequencies++ : -1)
                    .toArray();
            int limit = of.stream().mapToInt(a -> a.options().limit()).max().orElseThrow();
            all.add(new Values(argument, limit, numbers++, frequencies++, all.size(), inSpans));
        }
        return all;
    }

    private List<Decayed> decayed(List<WindowsPlan.Aggregate> aggregates) {
        List<Decayed> all = new ArrayList<>();
        for (WindowsPlan.Aggregate a : aggregates) {
            if (a.has(Part.DECAYED) && all.stream().noneMatch(d -> d.serves(a))) {
                all.add(new Decayed(a.argument(), Decayed.counted(a), a.options().halfLife(), numbers, texts++));
                numbers += Decayed.NUMBERS;
            }
        }
        return all;
    }

    /** Gives the slots of an entity without events. */
    Slots entity() {
        Slots state = Slots.empty(numbers, texts, frequencies);
        Arrays.fill(state.numbers, NEWEST_TIME, TIMER, Long.MIN_VALUE);
        state.numbers[TIMER] = NONE;
        for (Sharing sharing : tiled) {
            state.numbers[sharing.newest()] = NONE;
            sharing.spans().forEach(span -> state.numbers[span.cursor()] = NONE);
            sharing.values().forEach(v -> state.numbers[v.givenUp()] = Values.NONE_YET);
        }
        lifetime.values().forEach(v -> state.numbers[v.givenUp()] = Values.NONE_YET);
        return state;
    }

    /** Gives the earliest clock time at which a tile leaves a window. */
    long boundary(Slots state) {
        long earliest = NONE;
        for (Sharing sharing : tiled) {
            for (Span span : sharing.spans()) {
                earliest = Math.min(earliest, span.leavesAt(state));
            }
        }
        return earliest;
    }
}
