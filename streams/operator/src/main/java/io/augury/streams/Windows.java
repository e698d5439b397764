package io.augury.streams;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.api.common.typeutils.base.array.LongPrimitiveArraySerializer;
import org.apache.flink.api.common.typeutils.base.array.StringArraySerializer;
import org.apache.flink.streaming.api.TimerService;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.util.Collector;

/**
 * The windows of one feature group, for one entity a key: one row an event, one row a boundary of decay.
 *
 * <p>Before an event at T is applied, the boundaries up to T at which a tile leaves are emitted, in order.
 * The timer at the next boundary makes decay prompt; it never changes what is emitted.
 */
final class Windows extends InLogOrder {
    private static final long serialVersionUID = 1L;
    private static final int FIRST_FEATURE = 7;

    private final WindowsPlan plan;
    private final RowType rowType;

    private transient Layout layout;
    private transient Event event;
    private transient double factor;
    private transient ValueState<long[]> states;
    private transient ValueState<String[]> texts;
    /** By start, for each distinct hop. */
    private transient List<MapState<Long, long[]>> tiles;

    Windows(WindowsPlan plan, RowType rowType) {
        super(rowType, plan.logOrder(), 2, 3);
        this.plan = plan;
        this.rowType = rowType;
    }

    @Override
    public void open(OpenContext context) throws Exception {
        super.open(context);
        layout = new Layout(plan);
        event = new Event(plan, rowType);
        factor = Math.pow(10, plan.scale());
        states = getRuntimeContext().getState(
                new ValueStateDescriptor<>("entity", LongPrimitiveArraySerializer.INSTANCE));
        texts = getRuntimeContext().getState(new ValueStateDescriptor<>("texts", StringArraySerializer.INSTANCE));
        tiles = new ArrayList<>();
        for (Layout.Tiles t : layout.tiles) {
            tiles.add(getRuntimeContext().getMapState(new MapStateDescriptor<>(
                    "tiles-" + t.hop(), LongSerializer.INSTANCE, LongPrimitiveArraySerializer.INSTANCE)));
        }
    }

    @Override
    void apply(RowData row, TimerService timers, Collector<RowData> out) throws Exception {
        event.read(row);
        long[] known = states.value();
        long[] state = known == null ? layout.freshState() : known;
        String[] text = known == null ? new String[layout.texts] : text();
        // The log's clock never goes back, so an entity's does not either.
        long clock = Math.max(event.t, state[Layout.CLOCK]);
        event.ts = Math.min(event.ts, clock);
        decay(state, text, clock, event.entity, out);
        for (int i = 0; i < tiles.size(); i++) {
            admit(state, text, clock, layout.tiles.get(i), tiles.get(i));
        }
        layout.lifetime.add(state, layout.lifetimeBase, event);
        for (Layout.Last last : layout.lifetimeLasts) {
            renew(state, text, last, clock);
        }
        state[Layout.CLOCK] = clock;
        state[Layout.NEWEST_TIME] = Math.max(state[Layout.NEWEST_TIME], event.ts);
        out.collect(row(state, text, clock, event.entity, event.topic, event.partition, event.offset));
        save(state, text, timers);
    }

    @Override
    void passed(long clock, String key, TimerService timers, Collector<RowData> out) throws Exception {
        long[] state = states.value();
        if (state != null && layout.boundary(state) <= clock) {
            String[] text = text();
            decay(state, text, clock, StringData.fromString(key), out);
            save(state, text, timers);
        }
    }

    @Override
    void ended() throws Exception {
        long[] state = states.value();
        if (state != null) {
            state[Layout.TIMER] = Layout.NONE;
            states.update(state);
        }
    }

    private void save(long[] state, String[] text, TimerService timers) throws Exception {
        long boundary = layout.boundary(state);
        moveTimer(state[Layout.TIMER], boundary, timers);
        state[Layout.TIMER] = boundary;
        states.update(state);
        if (layout.texts > 0) {
            texts.update(text);
        }
    }

    private String[] text() throws Exception {
        return layout.texts == 0 ? null : texts.value();
    }

    /** Emits a row for each boundary up to {@code clock} at which a tile leaves a window. */
    private void decay(long[] state, String[] text, long clock, StringData entity, Collector<RowData> out)
            throws Exception {
        for (long b = layout.boundary(state); b <= clock && b != Layout.NONE; b = layout.boundary(state)) {
            for (int i = 0; i < tiles.size(); i++) {
                Layout.Tiles sharing = layout.tiles.get(i);
                for (Layout.Span span : sharing.spans()) {
                    if (span.leavesAt(state) == b) {
                        leave(state, sharing, span, tiles.get(i));
                    }
                }
            }
            state[Layout.CLOCK] = Math.max(state[Layout.CLOCK], b);
            out.collect(row(state, text, b, entity, null, null, null));
        }
    }

    private void leave(long[] state, Layout.Tiles sharing, Layout.Span span, MapState<Long, long[]> byStart)
            throws Exception {
        long start = state[span.cursor()];
        long[] tile = byStart.get(start);
        state[span.cursor()] = tile[Layout.NEXT];
        if (sharing.parts().subtract(state, span.base(), tile, Layout.TILE_PARTS)) {
            boolean[] seen = sharing.parts().unseen();
            for (long at = state[span.cursor()]; at != Layout.NONE; ) {
                long[] remaining = byStart.get(at);
                sharing.parts().fold(state, span.base(), remaining, Layout.TILE_PARTS, seen);
                at = remaining[Layout.NEXT];
            }
        }
        for (Layout.Last last : span.lasts()) {
            // The newest value's tile is the newest one with a value: when it leaves, none is left.
            if (span.window().tile(state[last.base() + Layout.TS]) <= start) {
                state[last.base() + Layout.PRESENT] = 0;
            }
        }
        if (span == sharing.widest()) {
            byStart.remove(start);
        }
    }

    /** Adds the event to its tile and to the windows that the tile has not left. */
    private void admit(
            long[] state, String[] text, long clock, Layout.Tiles sharing, MapState<Long, long[]> byStart)
            throws Exception {
        long start = sharing.widest().window().tile(event.ts);
        if (sharing.widest().window().leavesAt(start) <= clock) {
            return;
        }
        long[] tile = byStart.get(start);
        if (tile == null) {
            tile = new long[Layout.TILE_PARTS + sharing.parts().size];
            tile[Layout.NEXT] = link(state, sharing, byStart, start);
        }
        sharing.parts().add(tile, Layout.TILE_PARTS, event);
        byStart.put(start, tile);
        for (Layout.Span span : sharing.spans()) {
            if (span.window().leavesAt(start) > clock) {
                sharing.parts().add(state, span.base(), event);
                for (Layout.Last last : span.lasts()) {
                    renew(state, text, last, clock);
                }
                state[span.cursor()] = Math.min(state[span.cursor()], start);
            }
        }
    }

    /** Puts a new tile into the list, and gives the one after it. */
    private long link(long[] state, Layout.Tiles sharing, MapState<Long, long[]> byStart, long start)
            throws Exception {
        long oldest = state[sharing.widest().cursor()];
        if (oldest == Layout.NONE || start < oldest) {
            state[sharing.newest()] = oldest == Layout.NONE ? start : state[sharing.newest()];
            return oldest;
        }
        long before = oldest;
        if (start > state[sharing.newest()]) {
            before = state[sharing.newest()];
            state[sharing.newest()] = start;
        }
        long[] earlier = byStart.get(before);
        while (earlier[Layout.NEXT] < start) {
            before = earlier[Layout.NEXT];
            earlier = byStart.get(before);
        }
        long next = earlier[Layout.NEXT];
        earlier[Layout.NEXT] = start;
        byStart.put(before, earlier);
        return next;
    }

    /** Keeps the event's value if it is the newest by (ts, T, topic, partition, offset). */
    private void renew(long[] state, String[] text, Layout.Last last, long clock) {
        if (event.present[last.argument()] && newer(state, text, last, clock)) {
            int base = last.base();
            state[base + Layout.PRESENT] = 1;
            state[base + Layout.TS] = event.ts;
            state[base + Layout.T] = clock;
            state[base + Layout.PARTITION] = event.partition;
            state[base + Layout.OFFSET] = event.offset;
            state[base + Layout.VALUE] = event.raw[last.argument()];
            text[last.text()] = event.topic.toString();
            if (last.textual()) {
                text[last.text() + 1] = event.text[last.argument()].toString();
            }
        }
    }

    private boolean newer(long[] state, String[] text, Layout.Last last, long clock) {
        int base = last.base();
        if (state[base + Layout.PRESENT] == 0 || event.ts != state[base + Layout.TS]) {
            return state[base + Layout.PRESENT] == 0 || event.ts > state[base + Layout.TS];
        }
        if (clock != state[base + Layout.T]) {
            return clock > state[base + Layout.T];
        }
        int topics = event.topic.compareTo(StringData.fromString(text[last.text()]));
        if (topics != 0) {
            return topics > 0;
        }
        if (event.partition != state[base + Layout.PARTITION]) {
            return event.partition > state[base + Layout.PARTITION];
        }
        return event.offset > state[base + Layout.OFFSET];
    }

    private RowData row(
            long[] state, String[] text, long clock, StringData entity, StringData topic, Integer partition, Long offset) {
        GenericRowData row = new GenericRowData(FIRST_FEATURE + layout.readings.size());
        row.setField(0, entity);
        row.setField(1, clock);
        row.setField(2, state[Layout.NEWEST_TIME]);
        row.setField(3, ++state[Layout.SEQ]);
        row.setField(4, topic);
        row.setField(5, partition);
        row.setField(6, offset);
        for (int i = 0; i < layout.readings.size(); i++) {
            row.setField(FIRST_FEATURE + i, value(state, text, layout.readings.get(i)));
        }
        return row;
    }

    private Object value(long[] state, String[] text, Layout.Reading from) {
        boolean empty = from.count() >= 0 && state[from.count()] == 0;
        switch (from.aggregate().op()) {
            case COUNT:
                return state[from.count()];
            case SUM:
                if (from.argument() == ValueType.DOUBLE) {
                    return Int128.toDouble(state, from.sum()) / factor;
                }
                return state[from.sum()];
            case MEAN:
            case SHARE:
                if (empty) {
                    return null;
                }
                double sum = Int128.toDouble(state, from.sum());
                double total = from.argument() == ValueType.DOUBLE ? sum / factor : sum;
                return total / (double) state[from.count()];
            case MIN:
            case MAX:
                return empty ? null : boxed(state[from.extreme()], from.argument());
            default:
                Layout.Last last = from.last();
                if (state[last.base() + Layout.PRESENT] == 0) {
                    return null;
                }
                return last.textual()
                        ? StringData.fromString(text[last.text() + 1])
                        : boxed(state[last.base() + Layout.VALUE], from.argument());
        }
    }

    private static Object boxed(long raw, ValueType type) {
        return switch (type) {
            case DOUBLE -> Double.longBitsToDouble(raw);
            case BOOLEAN -> raw != 0;
            default -> raw;
        };
    }
}
