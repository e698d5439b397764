package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.operators.KeyedProcessOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarCharType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Columns: id, topic, partition, offset, Kafka time, T. Rows are read as "id partition T". */
class DeduplicateTest {
    private static final RowType ROW = RowType.of(
            VarCharType.STRING_TYPE, VarCharType.STRING_TYPE, new IntType(), new BigIntType(), new BigIntType(), new BigIntType());

    private KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> harness;

    private void open(OperatorSubtaskState state) throws Exception {
        harness = new KeyedOneInputStreamOperatorTestHarness<>(
                new KeyedProcessOperator<>(new Deduplicate(ROW, 100)), row -> row.getString(0).toString(), Types.STRING);
        harness.setup(InternalTypeInfo.of(ROW).toRowSerializer());
        if (state != null) {
            harness.initializeState(state);
        }
        harness.open();
    }

    @AfterEach
    void close() throws Exception {
        harness.close();
    }

    private void put(String id, int partition, long t) throws Exception {
        harness.processElement(new StreamRecord<>(Operators.row(id, "s", partition, t, t, t), t));
    }

    private void taken(String... expected) {
        List<String> rows = new ArrayList<>();
        for (StreamRecord<? extends RowData> record : harness.extractOutputStreamRecords()) {
            RowData row = record.getValue();
            assertEquals(row.getLong(5), record.getTimestamp());
            rows.add(row.getString(0) + " " + row.getInt(2) + " " + row.getLong(5));
        }
        harness.getOutput().clear();
        assertEquals(List.of(expected), rows);
    }

    @Test
    void theFirstInLogOrderStaysWhateverCameFirst() throws Exception {
        open(null);
        put("a", 1, 1050);
        put("a", 1, 1000);
        put("a", 0, 1000);
        taken();
        harness.processWatermark(1000);
        taken("a 0 1000");
        harness.processWatermark(1050);
        taken();
        put("a", 0, 1149);
        put("a", 0, 1249);
        harness.processWatermark(2000);
        taken("a 0 1249");
        assertEquals(0, harness.numKeyedStateEntries());
        assertEquals(0, harness.numEventTimeTimers());
    }

    @Test
    void aRowAtTheTimeOfTheIdsOwnTimerIsNotForgotten() throws Exception {
        open(null);
        for (long t : new long[] {1000, 1050, 1100, 1180}) {
            put("a", 0, t); // the timer of 1000 stands at 1100, and moves to 1150
        }
        harness.processWatermark(2000);
        taken("a 0 1000");
        assertEquals(0, harness.numKeyedStateEntries());
    }

    @Test
    void whatAnIdsLastTimeWasSurvivesARestore() throws Exception {
        open(null);
        put("a", 0, 1000);
        put("b", 0, 1020);
        harness.processWatermark(1010);
        taken("a 0 1000");
        OperatorSubtaskState state = harness.snapshot(1, 1);
        harness.close();
        open(state);
        put("a", 1, 1099);
        put("a", 1, 1199);
        harness.processWatermark(Long.MAX_VALUE);
        taken("b 0 1020", "a 1 1199");
    }
}
