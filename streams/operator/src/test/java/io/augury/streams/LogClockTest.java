package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LocalZonedTimestampType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.TimestampType;
import org.apache.flink.table.types.logical.VarCharType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Columns: id, landed_at, topic, partition, offset, Kafka time. Rows are read as "id T". */
class LogClockTest {
    private static final RowType ROW = RowType.of(
            VarCharType.STRING_TYPE, new TimestampType(3), VarCharType.STRING_TYPE, new IntType(), new BigIntType(),
            new LocalZonedTimestampType(3));

    private final List<OneInputStreamOperatorTestHarness<RowData, RowData>> harnesses = new ArrayList<>();
    private long offset;

    @AfterEach
    void close() throws Exception {
        for (OneInputStreamOperatorTestHarness<RowData, RowData> harness : harnesses) {
            harness.close();
        }
    }

    private OneInputStreamOperatorTestHarness<RowData, RowData> open(
            String dedup, int subtask, int subtasks, OperatorSubtaskState state) throws Exception {
        ClockPlan plan = ClockPlan.read("{\"name\":\"landed\",\"event_id\":0,\"event_time\":1,\"dedup\":\"" + dedup
                + "\",\"dedup_ms\":100}");
        OneInputStreamOperatorTestHarness<RowData, RowData> harness =
                new OneInputStreamOperatorTestHarness<>(new LogClock(plan, ROW), 8, subtasks, subtask);
        List<LogicalType> types = new ArrayList<>(ROW.getChildren());
        types.add(new BigIntType());
        harness.setup(InternalTypeInfo.ofFields(types.toArray(LogicalType[]::new)).toRowSerializer());
        if (state != null) {
            harness.initializeState(state);
        }
        harness.open();
        harnesses.add(harness);
        return harness;
    }

    private void put(OneInputStreamOperatorTestHarness<RowData, RowData> harness, String id, Long ts, int partition, long time)
            throws Exception {
        TimestampData at = ts == null ? null : TimestampData.fromEpochMillis(ts);
        harness.processElement(new StreamRecord<>(
                Operators.row(id, at, "landed", partition, offset++, TimestampData.fromEpochMillis(time))));
    }

    private static void taken(OneInputStreamOperatorTestHarness<RowData, RowData> harness, String... expected) {
        List<String> rows = new ArrayList<>();
        for (StreamRecord<? extends RowData> record : harness.extractOutputStreamRecords()) {
            assertEquals(record.getValue().getLong(6), record.getTimestamp());
            rows.add(record.getValue().getString(0) + " " + record.getValue().getLong(6));
        }
        harness.getOutput().clear();
        assertEquals(List.of(expected), rows);
    }

    @Test
    void theClockIsTheRunningMaximumOfItsPartition() throws Exception {
        OneInputStreamOperatorTestHarness<RowData, RowData> harness = open("none", 0, 1, null);
        put(harness, "a", 1L, 0, 100);
        put(harness, "b", 1L, 0, 90);
        put(harness, "c", 1L, 1, 50);
        put(harness, null, null, 0, 200); // a tick
        put(harness, "d", 1L, 0, 150);
        put(harness, "d", 1L, 1, 60);
        taken(harness, "a 100", "b 100", "c 50", "d 200", "d 60");
    }

    @Test
    void refusedRowsMoveTheClockAndGoNoFurther() throws Exception {
        OneInputStreamOperatorTestHarness<RowData, RowData> harness = open("partition", 0, 1, null);
        put(harness, null, 1L, 0, 100);
        put(harness, "no time", null, 0, 200);
        put(harness, "far", Long.MIN_VALUE / 2, 0, 300);
        put(harness, "far", Long.MAX_VALUE / 2, 0, 400);
        put(harness, "far", 1L, 0, 10); // no duplicate: refused rows did not stand in the log
        taken(harness, "far 400");
    }

    @Test
    void aDuplicateStoodLessThanDedupEarlierItselfADuplicateOrNot() throws Exception {
        OneInputStreamOperatorTestHarness<RowData, RowData> harness = open("partition", 0, 1, null);
        put(harness, "a", 1L, 0, 1000);
        put(harness, "a", 1L, 0, 1099);
        put(harness, "a", 1L, 0, 1198); // 99 after a duplicate
        put(harness, "a", 1L, 0, 1298); // exactly 100
        put(harness, "a", 1L, 1, 1298); // another partition
        put(harness, "b", 1L, 0, 1298);
        put(harness, "b", 1L, 0, 1000); // T is 1298
        taken(harness, "a 1000", "a 1298", "a 1298", "b 1298");
    }

    @Test
    void aRescaledRestoreKnowsEveryPartition() throws Exception {
        OneInputStreamOperatorTestHarness<RowData, RowData> one = open("partition", 0, 2, null);
        OneInputStreamOperatorTestHarness<RowData, RowData> two = open("partition", 1, 2, null);
        put(one, "a", 1L, 0, 1000);
        put(two, "b", 1L, 1, 2000);
        OperatorSubtaskState state =
                AbstractStreamOperatorTestHarness.repackageState(one.snapshot(1, 1), two.snapshot(1, 1));

        // Partition 1 is not read before the next checkpoint, and then by the other subtask.
        OneInputStreamOperatorTestHarness<RowData, RowData> first = open("partition", 0, 2, restore(state, 2, 0));
        OneInputStreamOperatorTestHarness<RowData, RowData> second = open("partition", 1, 2, restore(state, 2, 1));
        put(second, "a", 1L, 0, 900);
        put(second, "c", 1L, 0, 1050);
        taken(second, "c 1050");
        state = AbstractStreamOperatorTestHarness.repackageState(first.snapshot(2, 2), second.snapshot(2, 2));

        OneInputStreamOperatorTestHarness<RowData, RowData> only = open("partition", 0, 1, restore(state, 1, 0));
        put(only, "b", 1L, 1, 1500);
        put(only, "c", 1L, 0, 1000);
        put(only, "d", 1L, 0, 1000);
        put(only, "d", 1L, 1, 1000);
        taken(only, "d 1050", "d 2000");
    }

    private static OperatorSubtaskState restore(OperatorSubtaskState state, int subtasks, int subtask) {
        return AbstractStreamOperatorTestHarness.repartitionOperatorState(state, 8, 2, subtasks, subtask);
    }
}
