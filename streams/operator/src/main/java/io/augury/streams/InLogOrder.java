package io.augury.streams;

import java.util.ArrayList;
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
 */
abstract class InLogOrder extends KeyedProcessFunction<String, RowData, RowData> {
    private static final long serialVersionUID = 1L;

    private final RowType rowType;
    private final boolean hold;
    private final Times t;
    private final int place;

    private transient RowDataSerializer rows;
    private transient Comparator<RowData> order;
    private transient MapState<Long, List<RowData>> held;

    /** {@code t} is the index of T; topic, partition and offset are the columns from {@code place} on. */
    InLogOrder(RowType rowType, boolean hold, int t, int place) {
        this.rowType = rowType;
        this.hold = hold;
        this.t = Times.at(rowType, t);
        this.place = place;
    }

    /** Takes one row, in order. */
    abstract void apply(RowData row, TimerService timers, Collector<RowData> out) throws Exception;

    /** The log's clock has passed {@code clock}: all rows up to it have been applied. */
    abstract void passed(long clock, String key, TimerService timers, Collector<RowData> out) throws Exception;

    /** The log has ended, which tells nothing about its clock; the key's own timer is spent. */
    abstract void ended() throws Exception;

    @Override
    public void open(OpenContext context) throws Exception {
        if (hold) {
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
        if (!hold) {
            apply(row, context.timerService(), out);
            return;
        }
        long time = t.applyAsLong(row);
        List<RowData> together = held.get(time);
        if (together == null) {
            together = new ArrayList<>(1);
            context.timerService().registerEventTimeTimer(time);
        }
        together.add(rows.toBinaryRow(row).copy());
        held.put(time, together);
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<RowData> out) throws Exception {
        TimerService timers = context.timerService();
        List<RowData> together = hold ? held.get(time) : null;
        if (together != null) {
            held.remove(time);
            List<RowData> sorted = new ArrayList<>(together);
            sorted.sort(order);
            for (RowData row : sorted) {
                apply(row, timers, out);
            }
        }
        if (timers.currentWatermark() == Long.MAX_VALUE) {
            ended();
        } else {
            passed(time, context.getCurrentKey(), timers, out);
        }
    }

    /** Moves the key's own timer; {@link Long#MAX_VALUE} stands for none. A timer of held rows stays. */
    final void moveTimer(long from, long to, TimerService timers) throws Exception {
        if (from != to) {
            if (from != Long.MAX_VALUE && !(hold && held.contains(from))) {
                timers.deleteEventTimeTimer(from);
            }
            if (to != Long.MAX_VALUE) {
                timers.registerEventTimeTimer(to);
            }
        }
    }
}
