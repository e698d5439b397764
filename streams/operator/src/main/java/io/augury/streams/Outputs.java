package io.augury.streams;

import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.table.data.RowData;

/** The streams that {@link Pipeline#windows} gives. */
public final class Outputs {
    private final DataStream<RowData> rows;
    private final DataStream<RowData> refused;
    private final DataStream<RowData> clocks;

    Outputs(DataStream<RowData> rows, DataStream<RowData> refused, DataStream<RowData> clocks) {
        this.rows = rows;
        this.refused = refused;
        this.clocks = clocks;
    }

    /** Feature rows: entity, event_timestamp, last_event_time, seq, topic, partition, offset, aggregates. */
    public DataStream<RowData> getRows() {
        return rows;
    }

    /** Refused rows: origin, topic, partition, offset, reason, at. */
    public DataStream<RowData> getRefused() {
        return refused;
    }

    /** How far the group has come: group, version, clock. */
    public DataStream<RowData> getClocks() {
        return clocks;
    }
}
