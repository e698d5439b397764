package io.augury.streams;

import java.io.Serializable;
import java.util.function.ToLongFunction;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;

/** Reads a column of time, whatever SQL calls it, as milliseconds since the epoch. */
interface Times extends ToLongFunction<RowData>, Serializable {

    static Times at(RowType row, int index) {
        LogicalType type = row.getTypeAt(index);
        switch (type.getTypeRoot()) {
            case BIGINT:
                return data -> data.getLong(index);
            case TIMESTAMP_WITHOUT_TIME_ZONE:
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
                int precision = LogicalTypeChecks.getPrecision(type);
                return data -> data.getTimestamp(index, precision).getMillisecond();
            default:
                throw new IllegalArgumentException("a time is a BIGINT of milliseconds, a TIMESTAMP or a TIMESTAMP_LTZ; "
                        + "the log's clock cannot be read (found column " + row.getFieldNames().get(index) + " " + type + ")");
        }
    }
}
