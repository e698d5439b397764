package io.augury.streams;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.streaming.api.TimerService;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.util.Collector;

/**
 * Drops the duplicates of a source whose event ids are not fixed to a partition; keyed by event id.
 *
 * <p>Rows wait until the watermark has passed them. A row is a duplicate if its id stood less than
 * {@code dedupMs} earlier in log order, itself a duplicate or not.
 */
final class Deduplicate extends InLogOrder {
    private static final long serialVersionUID = 1L;

    private final Times t;
    private final long dedupMs;
    private transient ValueState<Long> last;

    /** Rows are those of {@link LogClock}: topic, partition, offset, Kafka time and T come last. */
    Deduplicate(RowType rowType, long dedupMs) {
        super(rowType, true, rowType.getFieldCount() - 1, rowType.getFieldCount() - 5);
        this.t = Times.at(rowType, rowType.getFieldCount() - 1);
        this.dedupMs = dedupMs;
    }

    @Override
    public void open(OpenContext context) throws Exception {
        super.open(context);
        last = getRuntimeContext().getState(new ValueStateDescriptor<>("last", LongSerializer.INSTANCE));
    }

    @Override
    void apply(RowData row, TimerService timers, Collector<RowData> out) throws Exception {
        long time = t.applyAsLong(row);
        Long before = last.value();
        last.update(time);
        moveTimer(before == null ? Long.MAX_VALUE : before + dedupMs, time + dedupMs, timers);
        if (before == null || time - before >= dedupMs) {
            out.collect(row);
        }
    }

    @Override
    void passed(long clock, String key, TimerService timers, Collector<RowData> out) throws Exception {
        Long before = last.value();
        if (before != null && clock - before >= dedupMs) {
            last.clear();
        }
    }

    @Override
    void ended() {
        // What the id's last time was stays, for a job that starts from this state.
    }
}
