package io.augury.streams;

import java.util.List;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarCharType;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/** Sends aside the rows that a group cannot take: no entity, or a number that it could not sum exactly. */
final class Refusals extends ProcessFunction<RowData, RowData> {
    private static final long serialVersionUID = 1L;

    /** The group's label, the record's place, the reason, and T (ms). */
    static final RowType ROW = RowType.of(
            false,
            new LogicalType[] {
                VarCharType.STRING_TYPE.copy(false),
                VarCharType.STRING_TYPE.copy(false),
                new IntType(false),
                new BigIntType(false),
                VarCharType.STRING_TYPE.copy(false),
                new BigIntType(false)
            },
            new String[] {"origin", "topic", "partition", "offset", "reason", "at"});

    static final OutputTag<RowData> REFUSED = new OutputTag<>("refused", InternalTypeInfo.of(ROW));

    private final WindowsPlan plan;
    private final Times t;

    Refusals(WindowsPlan plan, RowType row) {
        this.plan = plan;
        this.t = Times.at(row, 2);
    }

    @Override
    public void processElement(RowData row, Context context, Collector<RowData> out) {
        String reason = reason(row);
        if (reason == null) {
            out.collect(row);
        } else {
            context.output(REFUSED, GenericRowData.of(
                    StringData.fromString(plan.label()),
                    row.getString(3),
                    row.getInt(4),
                    row.getLong(5),
                    StringData.fromString(reason),
                    t.applyAsLong(row)));
        }
    }

    private String reason(RowData row) {
        if (row.isNullAt(0)) {
            return "an event names its entity; it belongs to no row (found NULL)";
        }
        if (row.isNullAt(1)) {
            return "an event has a time; it belongs to no window (found NULL)";
        }
        List<WindowsPlan.Argument> arguments = plan.arguments();
        for (int i = 0; i < arguments.size(); i++) {
            int at = WindowsPlan.ARGUMENTS + i;
            if (!row.isNullAt(at)) {
                switch (arguments.get(i).type()) {
                    case DOUBLE -> {
                        // NaN fails every comparison.
                        if (!(Math.abs(row.getDouble(at)) <= arguments.get(i).bound())) {
                            return beyond(arguments.get(i), row.getDouble(at));
                        }
                    }
                    case BIGINT -> {
                        // As doubles: the absolute value of the smallest long is no long.
                        if (Math.abs((double) row.getLong(at)) > arguments.get(i).bound()) {
                            return beyond(arguments.get(i), row.getLong(at));
                        }
                    }
                    default -> {}
                }
            }
        }
        return null;
    }

    private static String beyond(WindowsPlan.Argument argument, Object found) {
        return "a number lies within the bound " + argument.bound() + "; its sums would not be exact (" + argument.name()
                + ", found " + found + ")";
    }
}
