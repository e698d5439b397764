package io.augury.streams;

import org.apache.flink.api.common.state.MapState;

/**
 * The tiles of one hop, and the windows over them, of the entity whose slots are given.
 *
 * <p>Most events lie in the newest tile. It is in the entity's slots, so that they cost no other state.
 */
final class Tiles {
    private final Layout.Sharing layout;
    /** All but the newest one, by start. */
    private final MapState<Long, Slots> older;

    Tiles(Layout.Sharing layout, MapState<Long, Slots> older) {
        this.layout = layout;
        this.older = older;
    }

    /** Adds the event to its tile and to the windows that the tile has not left at {@code clock}. */
    void admit(Slots state, long clock, Event event) throws Exception {
        long start = layout.widest().window().tile(event.ts);
        if (layout.widest().window().leavesAt(start) <= clock) {
            return;
        }
        Slots tile = tileOf(state, start);
        layout.parts().add(tile, place(tile, state), event);
        for (Layout.Span span : layout.spans()) {
            if (span.window().leavesAt(start) > clock) {
                layout.parts().add(state, span.place(), event);
                for (Newest newest : span.newest()) {
                    newest.add(state, event);
                }
                state.numbers[span.cursor()] = Math.min(state.numbers[span.cursor()], start);
            }
        }
        for (Values values : layout.values()) {
            count(state, values, clock, start, tile, event);
        }
        if (tile != state) {
            older.put(start, tile);
        }
        for (Values values : layout.values()) {
            giveUp(state, values);
        }
    }

    private void count(Slots state, Values values, long clock, long start, Slots tile, Event event) {
        if (!event.present[values.argument()] || start <= state.numbers[values.givenUp()]) {
            return;
        }
        byte[] value = event.encoded(values.argument());
        values.of(tile, state).add(value);
        for (int i = 0; i < values.inSpans().length; i++) {
            if (values.inSpans()[i] >= 0 && layout.spans().get(i).window().leavesAt(start) > clock) {
                state.frequencies[values.inSpans()[i]].add(value);
            }
        }
    }

    /** Gives up the oldest tiles' values while there are too many, see {@link Values}. */
    private void giveUp(Slots state, Values values) throws Exception {
        int widest = values.widest();
        long oldest = state.numbers[layout.spans().get(widest).cursor()];
        while (state.frequencies[values.inSpans()[widest]].size() > values.limit()) {
            long before = state.numbers[values.givenUp()];
            long start = before >= oldest ? next(tile(state, before), state) : oldest;
            Slots tile = tile(state, start);
            for (int i = 0; i <= widest; i++) {
                if (values.inSpans()[i] >= 0 && start >= state.numbers[layout.spans().get(i).cursor()]) {
                    state.frequencies[values.inSpans()[i]].subtract(values.of(tile, state));
                }
            }
            values.clear(tile, state);
            if (tile != state) {
                older.put(start, tile);
            }
            state.numbers[values.givenUp()] = start;
        }
    }

    /** Takes the tiles that leave at {@code boundary} out of their windows. */
    void leave(Slots state, long boundary) throws Exception {
        for (int i = 0; i < layout.spans().size(); i++) {
            if (layout.spans().get(i).leavesAt(state) == boundary) {
                leave(state, i);
            }
        }
    }

    private void leave(Slots state, int index) throws Exception {
        Layout.Span span = layout.spans().get(index);
        long start = state.numbers[span.cursor()];
        Slots tile = tile(state, start);
        state.numbers[span.cursor()] = next(tile, state);
        boolean lost = layout.parts().subtract(state, span.place(), tile, place(tile, state));
        for (long at = state.numbers[span.cursor()]; lost && at != Layout.NONE; ) {
            Slots inside = tile(state, at);
            lost = layout.parts().fold(state, span.place(), inside, place(inside, state));
            at = next(inside, state);
        }
        for (Newest newest : span.newest()) {
            newest.leave(state, start + layout.hop());
        }
        for (Values values : layout.values()) {
            if (values.inSpans()[index] >= 0) {
                state.frequencies[values.inSpans()[index]].subtract(values.of(tile, state));
            }
        }
        if (span == layout.widest()) {
            if (tile == state) {
                clearHead(state);
                state.numbers[layout.newest()] = Layout.NONE;
            } else {
                older.remove(start);
            }
        }
    }

    /** Gives the slots of a tile that is there. */
    private Slots tile(Slots state, long start) throws Exception {
        return start == state.numbers[layout.newest()] ? state : older.get(start);
    }

    private Parts.Place place(Slots tile, Slots state) {
        return tile == state ? layout.head() : Layout.TILE;
    }

    private static long next(Slots tile, Slots state) {
        return tile == state ? Layout.NONE : tile.numbers[Layout.NEXT];
    }

    /** Gives the slots of a tile; a new one is put into the list. */
    private Slots tileOf(Slots state, long start) throws Exception {
        long newest = state.numbers[layout.newest()];
        if (newest == Layout.NONE || start >= newest) {
            if (newest != Layout.NONE && start > newest) {
                Slots former = fresh(start);
                layout.parts().copy(state, layout.head(), former, Layout.TILE);
                layout.values().forEach(v -> former.frequencies[v.inTile()] = state.frequencies[v.inHead()]);
                clearHead(state);
                older.put(newest, former);
            }
            state.numbers[layout.newest()] = start;
            return state;
        }
        Slots tile = older.get(start);
        return tile == null ? fresh(link(state, start)) : tile;
    }

    private Slots fresh(long next) {
        Parts parts = layout.parts();
        Slots tile = Slots.empty(Layout.TILE.numbers() + parts.numberCount, parts.textCount, layout.values().size());
        tile.numbers[Layout.NEXT] = next;
        return tile;
    }

    private void clearHead(Slots state) {
        layout.parts().clear(state, layout.head());
        layout.values().forEach(v -> v.clear(state, state));
    }

    /** Makes room for a new tile before the newest one, and gives the one after it. */
    private long link(Slots state, long start) throws Exception {
        long before = state.numbers[layout.widest().cursor()];
        if (start < before) {
            return before;
        }
        Slots earlier = older.get(before);
        while (earlier.numbers[Layout.NEXT] < start) {
            before = earlier.numbers[Layout.NEXT];
            earlier = older.get(before);
        }
        long next = earlier.numbers[Layout.NEXT];
        earlier.numbers[Layout.NEXT] = start;
        older.put(before, earlier);
        return next;
    }
}
