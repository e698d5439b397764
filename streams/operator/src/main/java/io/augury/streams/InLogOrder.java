package io.augury.streams;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeutils.base.ListSerializer;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.streaming.api.TimerService;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.util.Collector;

/**
 * Applies the rows of a key as they come, or holds them until the watermark over T has passed them and
 * applies them by (T, topic, partition, offset).
 *
 * <p>Rows before {@code cut} are history, which comes whole and in the order of the log: they are applied as
 * they come, and rows from the cut on are held until the watermark tells that history has ended.
 */
abstract class InLogOrder extends KeyedProcessFunction<String, RowData, RowData> {
    private static final long serialVersionUID = 1L;

    private final RowType rowType;
    private final boolean hold;
    private final Times t;
    private final int place;
    private final long cut;

    private transient RowDataSerializer rows;
    private transient Comparator<RowData> order;
    private transient MapState<Long, List<RowData>> held;

    /** {@code t} is the index of T; topic, partition and offset are the columns from {@code place} on. */
    InLogOrder(RowType rowType, boolean hold, int t, int place) {
        this(rowType, hold, t, place, Pipeline.NO_CUT);
    }

    InLogOrder(RowType rowType, boolean hold, int t, int place, long cut) {
        this.rowType = rowType;
        this.hold = hold;
        this.t = Times.at(rowType, t);
        this.place = place;
        this.cut = cut;
    }

    /** Takes one row, in order. */
    abstract void apply(RowData row, TimerService timers, Collector<RowData> out) throws Exception;

    /** The log's clock has passed {@code clock}: all rows up to it have been applied. */
    abstract void passed(long clock, String key, TimerService timers, Collector<RowData> out) throws Exception;

    /** The log has ended, which tells nothing about its clock; the key's own timer is spent. */
    abstract void ended() throws Exception;

    @Override
    public void open(OpenContext context) throws Exception {
        if (hold || cut != Pipeline.NO_CUT) {
            rows = InternalTypeInfo.of(rowType).toRowSerializer();
            order = Comparator.comparing((RowData row) -> row.getString(place))
                    .thenComparing(row -> row.getInt(place + 1))
                    .thenComparing(row -> row.getLong(place + 2));
            held = getRuntimeContext().getMapState(
                    new MapStateDescriptor<>("held", LongSerializer.INSTANCE, new ListSerializer<>(rows)));
        }
    }

    @Override
    public void processElement(RowData row, Context context, Collector<RowData> out) throws Exception {
        TimerService timers = context.timerService();
        if (!hold && cut == Pipeline.NO_CUT) {
            apply(row, timers, out);
            return;
        }
        long time = t.applyAsLong(row);
        if (time < cut || !hold && timers.currentWatermark() >= cut - 1) {
            apply(row, timers, out);
            return;
        }
        List<RowData> together = held.get(time);
        if (together == null) {
            together = new ArrayList<>(1);
            timers.registerEventTimeTimer(hold ? time : cut - 1);
        }
        together.add(rows.toBinaryRow(row).copy());
        held.put(time, together);
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<RowData> out) throws Exception {
        TimerService timers = context.timerService();
        if (hold) {
            release(time, timers, out);
        } else if (cut != Pipeline.NO_CUT && time == cut - 1) {
            List<Long> times = new ArrayList<>();
            held.keys().forEach(times::add);
            Collections.sort(times);
            for (long each : times) {
                release(each, timers, out);
            }
        }
        if (timers.currentWatermark() == Long.MAX_VALUE) {
            ended();
        } else {
            passed(time, context.getCurrentKey(), timers, out);
        }
    }

    /** Applies the rows that are held at T = {@code time}. */
    private void release(long time, TimerService timers, Collector<RowData> out) throws Exception {
        List<RowData> together = held.get(time);
        if (together != null) {
            held.remove(time);
            List<RowData> sorted = new ArrayList<>(together);
            sorted.sort(order);
            for (RowData row : sorted) {
                apply(row, timers, out);
            }
        }
    }

    /** Moves the key's own timer; {@link Long#MAX_VALUE} stands for none. A timer of held rows stays. */
    final void moveTimer(long from, long to, TimerService timers) throws Exception {
        if (from != to) {
            if (from != Long.MAX_VALUE && !(hold ? held.contains(from) : cut != Pipeline.NO_CUT && from == cut - 1)) {
                timers.deleteEventTimeTimer(from);
            }
            if (to != Long.MAX_VALUE) {
                timers.registerEventTimeTimer(to);
            }
        }
    }
}
