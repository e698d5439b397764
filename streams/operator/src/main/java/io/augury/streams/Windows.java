package io.augury.streams;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
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
 *
 * <p>Rows before {@code cut} are counted, and not emitted: history has been written by others.
 */
final class Windows extends InLogOrder {
    private static final long serialVersionUID = 1L;
    private static final int FIRST_FEATURE = 7;

    private final WindowsPlan plan;
    private final RowType rowType;
    private final long cut;

    private transient Layout layout;
    private transient Event event;
    private transient ValueState<Slots> entities;
    private transient List<Tiles> tiles;

    Windows(WindowsPlan plan, RowType rowType, long cut) {
        super(rowType, plan.logOrder(), 2, 3, cut);
        this.cut = cut;
        this.plan = plan;
        this.rowType = rowType;
    }

    @Override
    public void open(OpenContext context) throws Exception {
        super.open(context);
        layout = new Layout(plan);
        event = new Event(plan, rowType);
        entities = getRuntimeContext().getState(new ValueStateDescriptor<>("entity", SlotsSerializer.INSTANCE));
        tiles = new ArrayList<>();
        for (Layout.Sharing sharing : layout.tiled) {
            tiles.add(new Tiles(sharing, getRuntimeContext().getMapState(new MapStateDescriptor<>(
                    "tiles-" + sharing.hop(), LongSerializer.INSTANCE, SlotsSerializer.INSTANCE))));
        }
    }

    @Override
    void apply(RowData row, TimerService timers, Collector<RowData> out) throws Exception {
        event.read(row);
        Slots known = entities.value();
        Slots state = known == null ? layout.entity() : known;
        // The log's clock never goes back, so an entity's does not either.
        long clock = Math.max(event.t, state.numbers[Layout.CLOCK]);
        event.ts = Math.min(event.ts, clock);
        decay(state, clock, event.entity, out);
        for (Tiles each : tiles) {
            each.admit(state, clock, event);
        }
        live(state, clock);
        state.numbers[Layout.CLOCK] = clock;
        state.numbers[Layout.NEWEST_TIME] = Math.max(state.numbers[Layout.NEWEST_TIME], event.ts);
        emit(state, clock, event.entity, event.topic, event.partition, event.offset, out);
        save(state, timers);
    }

    /** Adds the event to the entity's lifetime. */
    private void live(Slots state, long clock) {
        layout.lifetime.parts().add(state, layout.lifetime.widest().place(), event);
        for (Newest newest : layout.lifetime.widest().newest()) {
            newest.add(state, event);
        }
        for (Values values : layout.lifetime.values()) {
            values.add(state, event);
        }
        for (Decayed decayed : layout.lifetime.decayed()) {
            decayed.add(state, clock, event);
        }
    }

    @Override
    void passed(long clock, String key, TimerService timers, Collector<RowData> out) throws Exception {
        Slots state = entities.value();
        if (state != null && layout.boundary(state) <= clock) {
            decay(state, clock, StringData.fromString(key), out);
            save(state, timers);
        }
    }

    @Override
    void ended() throws Exception {
        Slots state = entities.value();
        if (state != null) {
            state.numbers[Layout.TIMER] = Layout.NONE;
            entities.update(state);
        }
    }

    private void save(Slots state, TimerService timers) throws Exception {
        long boundary = layout.boundary(state);
        moveTimer(state.numbers[Layout.TIMER], boundary, timers);
        state.numbers[Layout.TIMER] = boundary;
        entities.update(state);
    }

    /** Emits a row for each boundary up to {@code clock} at which a tile leaves a window. */
    private void decay(Slots state, long clock, StringData entity, Collector<RowData> out) throws Exception {
        for (long b = layout.boundary(state); b <= clock && b != Layout.NONE; b = layout.boundary(state)) {
            for (Tiles each : tiles) {
                each.leave(state, b);
            }
            state.numbers[Layout.CLOCK] = Math.max(state.numbers[Layout.CLOCK], b);
            emit(state, b, entity, null, null, null, out);
        }
    }

    private void emit(
            Slots state,
            long clock,
            StringData entity,
            StringData topic,
            Integer partition,
            Long offset,
            Collector<RowData> out) {
        state.numbers[Layout.SEQ]++;
        if (clock >= cut) {
            out.collect(row(state, clock, entity, topic, partition, offset));
        }
    }

    private RowData row(
            Slots state, long clock, StringData entity, StringData topic, Integer partition, Long offset) {
        GenericRowData row = new GenericRowData(FIRST_FEATURE + layout.readings.size());
        row.setField(0, entity);
        row.setField(1, clock);
        row.setField(2, state.numbers[Layout.NEWEST_TIME]);
        row.setField(3, state.numbers[Layout.SEQ]);
        row.setField(4, topic);
        row.setField(5, partition);
        row.setField(6, offset);
        for (int i = 0; i < layout.readings.size(); i++) {
            row.setField(FIRST_FEATURE + i, layout.readings.get(i).apply(state));
        }
        return row;
    }
}
