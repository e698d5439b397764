package io.augury.streams;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.TimerService;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.util.Collector;

/**
 * Gives each event the newest values, by (ts, log order), that the log held before it under its key.
 *
 * <p>Events and the records that are looked up come as one stream, and wait until the watermark has passed
 * them, so that both are applied in log order.
 */
final class Lookup extends InLogOrder {
    private static final long serialVersionUID = 1L;

    static final int KEY = 0;
    private static final int EVENT = 1;
    private static final int TS = 2;
    private static final int T = 3;
    private static final int PLACE = 4;
    private static final int VALUES = 7;

    private final RowType rowType;
    private final int columns;
    private final Times ts;
    private final Times t;

    private transient RowData.FieldGetter[] fields;
    private transient ValueState<RowData> newest;

    Lookup(RowType rowType, int columns) {
        super(rowType, true, T, PLACE);
        this.rowType = rowType;
        this.columns = columns;
        this.ts = Times.at(rowType, TS);
        this.t = Times.at(rowType, T);
    }

    @Override
    public void open(OpenContext context) throws Exception {
        super.open(context);
        fields = new RowData.FieldGetter[rowType.getFieldCount()];
        for (int i = 0; i < fields.length; i++) {
            fields[i] = RowData.createFieldGetter(rowType.getTypeAt(i), i);
        }
        newest = getRuntimeContext().getState(new ValueStateDescriptor<>("newest", InternalTypeInfo.of(rowType)));
    }

    @Override
    void apply(RowData row, TimerService timers, Collector<RowData> out) throws Exception {
        RowData known = newest.value();
        if (!row.getBoolean(EVENT)) {
            // Records are applied in log order, so of two at one ts the later one is the newer one.
            if (known == null || time(row) >= time(known)) {
                newest.update(row);
            }
            return;
        }
        GenericRowData found = new GenericRowData(fields.length);
        for (int i = 0; i < fields.length; i++) {
            boolean looked = i >= VALUES && i < VALUES + columns;
            found.setField(i, looked ? (known == null ? null : fields[i].getFieldOrNull(known)) : fields[i].getFieldOrNull(row));
        }
        out.collect(found);
    }

    /** An event from the future has happened when the log took it. */
    private long time(RowData row) {
        return Math.min(ts.applyAsLong(row), t.applyAsLong(row));
    }

    @Override
    void passed(long clock, String key, TimerService timers, Collector<RowData> out) {
        // Time alone changes nothing that is looked up.
    }

    @Override
    void ended() {
        // What was the newest stays, for a job that starts from this state.
    }
}
