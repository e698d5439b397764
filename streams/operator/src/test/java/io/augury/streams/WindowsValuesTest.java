package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.RowData;
import org.junit.jupiter.api.Test;

/** What is computed from each value and what has several, by hand; rows as in {@link WindowsTest}. */
class WindowsValuesTest {
    private static WindowsPlan plan(String type, String... aggregates) {
        return WindowsPlan.read("{\"group\":\"g\",\"version\":1,\"order\":\"arrival\",\"bound\":1e12,\"scale\":6,"
                + "\"arguments\":[{\"name\":\"x\",\"type\":\"" + type + "\"}],\"windows\":[{\"size\":100,\"hop\":10}],"
                + "\"aggregates\":[" + String.join(",", aggregates) + "]}");
    }

    private static String aggregate(String op, Integer window, String type, String options) {
        return "{\"name\":\"" + op + window + "\",\"op\":\"" + op + "\",\"argument\":0,\"window\":" + window
                + ",\"type\":\"" + type + "\",\"options\":{" + options + "}}";
    }

    private static void event(
            KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> harness, long ts, long t, Object x)
            throws Exception {
        harness.processElement(Operators.row("e", ts, t, "s", 0, t, x), t);
    }

    @Test
    void whatHoldsMoreValuesThanTheLimitIsNullUntilTheyLeave() throws Exception {
        WindowsPlan plan = plan("bigint", aggregate("count_distinct", 0, "bigint", "\"limit\":2"),
                aggregate("mode", 0, "bigint", "\"limit\":2"), aggregate("count_distinct", null, "bigint", "\"limit\":2"));
        try (KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> harness = Operators.windows(plan, null)) {
            harness.open();
            event(harness, 0, 0, 1L);
            event(harness, 10, 10, 2L);
            event(harness, 20, 20, 3L);
            event(harness, 5, 31, 3L); // into the tile whose values were given up
            event(harness, 30, 32, 3L);
            assertEquals(
                    List.of("e 0 0 1 s 0 0 1 1 1", "e 10 10 2 s 0 10 2 1 2", "e 20 20 3 s 0 20 - - -",
                            "e 31 20 4 s 0 31 - - -", "e 32 30 5 s 0 32 - - -"),
                    Operators.taken(harness));
            harness.processWatermark(110);
            event(harness, 25, 115, 2L); // late, and counted: its tile has not left
            harness.processWatermark(1000);
            assertEquals(
                    List.of("e 110 30 6 - - - 2 3 -", "e 115 30 7 s 0 115 2 2 -", "e 120 30 8 - - - 2 3 -",
                            "e 130 30 9 - - - 1 3 -", "e 140 30 10 - - - 0 - -"),
                    Operators.taken(harness));
        }
    }

    @Test
    void stateHasAnEndHoweverManyValuesThereAre() throws Exception {
        WindowsPlan plan = plan("string", aggregate("count_distinct", 0, "bigint", "\"limit\":10"),
                aggregate("mode", null, "string", "\"limit\":10"), aggregate("last", 0, "string", "\"nth\":3,\"distinct\":true"));
        try (KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> harness = Operators.windows(plan, null)) {
            harness.open();
            for (int i = 0; i < 10_000; i++) {
                event(harness, i / 100, 100, "value " + i);
            }
            List<String> rows = Operators.taken(harness);
            assertEquals("e 100 99 10000 s 0 100 - - value 9997", rows.get(rows.size() - 1));
            long size = harness.snapshot(1, 1).getManagedKeyedState().iterator().next().getStateSize();
            assertTrue(size < 10_000, "bytes " + size);
        }
    }

    @Test
    void theNthNewestAndTheFirstComeAndGoWithTheirTiles() throws Exception {
        WindowsPlan plan = plan("string", aggregate("first", 0, "string", ""), aggregate("last", 0, "string", "\"nth\":2"),
                "{\"name\":\"d\",\"op\":\"last\",\"argument\":0,\"window\":0,\"type\":\"string\",\"options\":{\"nth\":2,\"distinct\":true}}");
        try (KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> harness = Operators.windows(plan, null)) {
            harness.open();
            event(harness, 10, 10, "a");
            event(harness, 10, 11, "b"); // at the same time, later in the log
            event(harness, 20, 21, "b");
            event(harness, 9, 22, "z"); // late
            event(harness, 31, 31, null);
            event(harness, 30, 32, "c");
            assertEquals(
                    List.of("e 10 10 1 s 0 10 a - -", "e 11 10 2 s 0 11 a a a", "e 21 20 3 s 0 21 a b a",
                            "e 22 20 4 s 0 22 z b a", "e 31 31 5 s 0 31 z b a", "e 32 31 6 s 0 32 z b b"),
                    Operators.taken(harness));
            harness.processWatermark(1000);
            assertEquals(
                    List.of("e 110 31 7 - - - a b b", "e 120 31 8 - - - b b b", "e 130 31 9 - - - c - -", "e 140 31 10 - - - - - -"),
                    Operators.taken(harness));
        }
    }
}
