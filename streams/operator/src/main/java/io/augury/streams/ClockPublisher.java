package io.augury.streams;

import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarCharType;

/**
 * Tells how far all subtasks of a group's windows have processed the log's clock: the watermark behind them.
 *
 * <p>At most one row for each {@code clockStep} of event time, and one at the end for what was not told.
 */
final class ClockPublisher extends AbstractStreamOperator<RowData>
        implements OneInputStreamOperator<RowData, RowData>, BoundedOneInput {
    private static final long serialVersionUID = 1L;

    static final RowType ROW = RowType.of(
            false,
            new LogicalType[] {VarCharType.STRING_TYPE.copy(false), new IntType(false), new BigIntType(false)},
            new String[] {"group", "version", "clock"});

    private final String group;
    private final int version;
    private final long step;

    private transient boolean told;
    private transient long toldClock;
    private transient long clock;

    ClockPublisher(WindowsPlan plan) {
        group = plan.group();
        version = plan.version();
        step = plan.clockStep();
    }

    @Override
    public void processElement(StreamRecord<RowData> never) {}

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        // The end of the input is no time.
        if (mark.getTimestamp() != Long.MAX_VALUE) {
            clock = mark.getTimestamp();
            if (!told || clock - toldClock >= step) {
                tell();
            }
        }
        super.processWatermark(mark);
    }

    @Override
    public void endInput() {
        if (told && clock > toldClock) {
            tell();
        }
    }

    private void tell() {
        told = true;
        toldClock = clock;
        output.collect(new StreamRecord<>(GenericRowData.of(StringData.fromString(group), version, clock), clock));
    }
}
