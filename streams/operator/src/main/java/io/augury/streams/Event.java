package io.augury.streams;

import java.util.List;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.RowType;

/** One input row of {@link Windows}, its arguments as longs; reused from row to row. */
final class Event {
    private final ValueType[] types;
    private final double factor;
    private final Times tsColumn;
    private final Times tColumn;

    StringData entity;
    long ts;
    long t;
    StringData topic;
    int partition;
    long offset;

    final boolean[] present;
    /** A bigint as it is, a double's bits, 0 or 1 of a boolean. */
    final long[] raw;
    /** What a sum adds: a double as fixed point. */
    final long[] addend;
    /** UTF-8, in arrays of its own. */
    final byte[][] text;

    Event(WindowsPlan plan, RowType row) {
        List<WindowsPlan.Argument> arguments = plan.arguments();
        types = arguments.stream().map(WindowsPlan.Argument::type).toArray(ValueType[]::new);
        factor = Math.pow(10, plan.scale());
        tsColumn = Times.at(row, 1);
        tColumn = Times.at(row, 2);
        present = new boolean[types.length];
        raw = new long[types.length];
        addend = new long[types.length];
        text = new byte[types.length][];
    }

    void read(RowData row) {
        entity = row.getString(0);
        ts = tsColumn.applyAsLong(row);
        t = tColumn.applyAsLong(row);
        topic = row.getString(3);
        partition = row.getInt(4);
        offset = row.getLong(5);
        for (int i = 0; i < types.length; i++) {
            int at = WindowsPlan.ARGUMENTS + i;
            present[i] = !row.isNullAt(at);
            if (present[i]) {
                switch (types[i]) {
                    case BIGINT -> addend[i] = raw[i] = row.getLong(at);
                    case BOOLEAN -> addend[i] = raw[i] = row.getBoolean(at) ? 1 : 0;
                    case DOUBLE -> {
                        double value = row.getDouble(at) + 0.0; // -0.0 becomes 0.0
                        raw[i] = Double.doubleToRawLongBits(value);
                        addend[i] = (long) Math.rint(value * factor);
                    }
                    case STRING -> text[i] = row.getString(at).toBytes();
                    case TIMESTAMP -> {}
                }
            }
        }
    }

    /** Gives the bytes of {@link ValueType#encode}. */
    byte[] encoded(int argument) {
        return types[argument] == ValueType.STRING ? text[argument] : types[argument].encode(raw[argument]);
    }
}
