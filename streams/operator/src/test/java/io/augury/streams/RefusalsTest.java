package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.streaming.api.operators.ProcessOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.junit.jupiter.api.Test;

class RefusalsTest {
    @Test
    void rowsThatAGroupCannotTakeGoAsideWithTheReason() throws Exception {
        WindowsPlan plan = WindowsPlan.read("{\"group\":\"g\",\"version\":2,\"order\":\"arrival\",\"bound\":1e12,\"scale\":6,"
                + "\"arguments\":[{\"name\":\"x\",\"type\":\"double\"},{\"name\":\"n\",\"type\":\"bigint\"},"
                + "{\"name\":\"c\",\"type\":\"double\",\"bound\":1000000000}],"
                + "\"windows\":[],\"aggregates\":[]}");
        try (OneInputStreamOperatorTestHarness<RowData, RowData> harness = new OneInputStreamOperatorTestHarness<>(
                new ProcessOperator<>(new Refusals(plan, Operators.inputType(plan))))) {
            harness.setup(InternalTypeInfo.of(Operators.inputType(plan)).toRowSerializer());
            harness.open();
            Object[][] rows = {
                {"e", 1e12, -1_000_000_000_000L, -1e9},
                {"e", null, null, null},
                {null, 1.0, 1L, 1.0},
                {"e", Math.nextUp(1e12), 1L, 1.0},
                {"e", Double.NaN, 1L, 1.0},
                {"e", Double.NEGATIVE_INFINITY, 1L, 1.0},
                {"e", 1.0, 1_000_000_000_001L, 1.0},
                {"e", 1.0, Long.MIN_VALUE, 1.0},
                {"e", 1.0, 1L, -1e10}
            };
            for (int i = 0; i < rows.length; i++) {
                harness.processElement(new StreamRecord<>(
                        Operators.row(rows[i][0], 5L, 7L, "s", 3, (long) i, rows[i][1], rows[i][2], rows[i][3])));
            }
            assertEquals(List.of("e 5 7 s 3 0 1.0E12 -1000000000000 -1.0E9", "e 5 7 s 3 1 - - -"), Operators.taken(harness));
            List<String> refused = new ArrayList<>();
            harness.getSideOutput(Refusals.REFUSED).forEach(r -> refused.add(Operators.text(r.getValue())));
            String beyond = "a number lies within the bound 1.0E12; its sums would not be exact (";
            assertEquals(
                    List.of(
                            "g.v2 s 3 2 an event names its entity; it belongs to no row (found NULL) 7",
                            "g.v2 s 3 3 " + beyond + "x, found 1.0000000000000001E12) 7",
                            "g.v2 s 3 4 " + beyond + "x, found NaN) 7",
                            "g.v2 s 3 5 " + beyond + "x, found -Infinity) 7",
                            "g.v2 s 3 6 " + beyond + "n, found 1000000000001) 7",
                            "g.v2 s 3 7 " + beyond + "n, found -9223372036854775808) 7",
                            "g.v2 s 3 8 a number lies within the bound 1.0E9; its sums would not be exact (c, found -1.0E10) 7"),
                    refused);
        }
    }
}
