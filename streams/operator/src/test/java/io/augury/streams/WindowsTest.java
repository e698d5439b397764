package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.runtime.state.hashmap.HashMapStateBackend;
import org.apache.flink.state.rocksdb.EmbeddedRocksDBStateBackend;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.RowData;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows computed by hand. Each is: entity event_timestamp last_event_time seq topic partition offset features. */
class WindowsTest {
    private static final String ONE_WINDOW = "\"windows\":[{\"size\":100,\"hop\":10}]";

    private KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> harness;
    private long offset;

    @AfterEach
    void close() throws Exception {
        if (harness != null) {
            harness.close();
        }
    }

    private static WindowsPlan plan(String order, String arguments, String windows, String... aggregates) {
        return WindowsPlan.read("{\"group\":\"g\",\"version\":1,\"order\":\"" + order + "\",\"bound\":1e12,\"scale\":6,"
                + "\"arguments\":[" + arguments + "]," + windows
                + ",\"aggregates\":[" + String.join(",", aggregates) + "]}");
    }

    private static String argument(String type) {
        return "{\"name\":\"x\",\"type\":\"" + type + "\"}";
    }

    private static String aggregate(String op, Object argument, Object window, String type) {
        return "{\"name\":\"" + op + argument + "_" + window + "\",\"op\":\"" + op + "\",\"argument\":" + argument
                + ",\"window\":" + window + ",\"type\":\"" + type + "\"}";
    }

    private void open(WindowsPlan plan) throws Exception {
        open(plan, null, null);
    }

    private void open(WindowsPlan plan, StateBackend backend, OperatorSubtaskState state) throws Exception {
        harness = Operators.windows(plan, backend);
        if (state != null) {
            harness.initializeState(state);
        }
        harness.open();
    }

    private void event(long ts, long t, Object... arguments) throws Exception {
        placed(0, offset++, ts, t, arguments);
    }

    private void placed(int partition, long offset, long ts, long t, Object... arguments) throws Exception {
        Object[] fields = new Object[6 + arguments.length];
        System.arraycopy(new Object[] {"e", ts, t, "s", partition, offset}, 0, fields, 0, 6);
        System.arraycopy(arguments, 0, fields, 6, arguments.length);
        harness.processElement(Operators.row(fields), t);
    }

    private void rows(String... expected) {
        assertEquals(List.of(expected), Operators.taken(harness));
    }

    @Test
    void doublesOfAWindow() throws Exception {
        open(plan("arrival", argument("double"), ONE_WINDOW,
                aggregate("count", 0, 0, "bigint"), aggregate("sum", 0, 0, "double"), aggregate("mean", 0, 0, "double"),
                aggregate("min", 0, 0, "double"), aggregate("max", 0, 0, "double"), aggregate("last", 0, 0, "double")));
        event(1000, 1000, 1.5);
        event(1005, 1005, new Object[] {null});
        event(1020, 1020, -0.5);
        rows("e 1000 1000 1 s 0 0 1 1.5 1.5 1.5 1.5 1.5",
                "e 1005 1005 2 s 0 1 1 1.5 1.5 1.5 1.5 1.5",
                "e 1020 1020 3 s 0 2 2 1.0 0.5 -0.5 1.5 -0.5");
        harness.processWatermark(1109);
        rows();
        harness.processWatermark(1110);
        rows("e 1110 1020 4 - - - 1 -0.5 -0.5 -0.5 -0.5 -0.5");
        harness.processWatermark(5000);
        rows("e 1130 1020 5 - - - 0 0.0 - - - -");
        assertEquals(0, harness.numEventTimeTimers());
    }

    @Test
    void integersBooleansAndText() throws Exception {
        open(plan("arrival", argument("bigint") + "," + argument("boolean") + "," + argument("string"), ONE_WINDOW,
                aggregate("sum", 0, 0, "bigint"), aggregate("mean", 0, 0, "double"), aggregate("min", 0, 0, "bigint"),
                aggregate("max", 0, 0, "bigint"), aggregate("share", 1, 0, "double"), aggregate("last", 2, 0, "string"),
                aggregate("last", 1, 0, "boolean"), aggregate("count", 2, 0, "bigint"), aggregate("count", null, 0, "bigint")));
        event(0, 0, 5L, true, "a");
        event(1, 1, -2L, false, null);
        event(2, 2, null, null, "c");
        event(3, 3, 7L, false, "");
        rows("e 0 0 1 s 0 0 5 5.0 5 5 1.0 a true 1 1",
                "e 1 1 2 s 0 1 3 1.5 -2 5 0.5 a false 1 2",
                "e 2 2 3 s 0 2 3 1.5 -2 5 0.5 c false 2 3",
                "e 3 3 4 s 0 3 10 " + 10.0 / 3 + " -2 7 " + 1.0 / 3 + "  false 3 4");
        harness.processWatermark(110);
        rows("e 110 3 5 - - - 0 - - - - - - 0 0");
    }

    @Test
    void lifetimeNeverDecays() throws Exception {
        open(plan("arrival", argument("double") + "," + argument("string"), "\"windows\":[]",
                aggregate("count", null, null, "bigint"), aggregate("sum", 0, null, "double"),
                aggregate("min", 0, null, "double"), aggregate("max", 0, null, "double"), aggregate("last", 1, null, "string")));
        event(10, 10, 3.0, "new");
        event(5, 1_000_000, 1.0, "old");
        harness.processWatermark(1L << 50);
        rows("e 10 10 1 s 0 0 1 3.0 3.0 3.0 new", "e 1000000 10 2 s 0 1 2 4.0 1.0 3.0 new");
    }

    @Test
    void theTailIsExactToTheMillisecond() throws Exception {
        open(plan("arrival", "", ONE_WINDOW, aggregate("count", null, 0, "bigint")));
        event(1000, 1000); // in the tile [1000, 1010), which leaves at 1110
        event(1009, 1009); // the same
        event(1010, 1010); // the next one
        event(1109, 1109);
        rows("e 1000 1000 1 s 0 0 1", "e 1009 1009 2 s 0 1 2", "e 1010 1010 3 s 0 2 3", "e 1109 1109 4 s 0 3 4");
        event(1110, 1110);
        rows("e 1110 1109 5 - - - 2", "e 1110 1110 6 s 0 4 3");
    }

    @Test
    void timesBeforeTheEpochAreFlooredDownwards() throws Exception {
        open(plan("arrival", "", ONE_WINDOW, aggregate("count", null, 0, "bigint")));
        event(-1, -1); // in [-10, 0), which leaves at 100
        event(-10, 0);
        event(-11, 0); // in [-20, -10), which leaves at 90
        harness.processWatermark(100);
        rows("e -1 -1 1 s 0 0 1", "e 0 -1 2 s 0 1 2", "e 0 -1 3 s 0 2 3", "e 90 -1 4 - - - 2", "e 100 -1 5 - - - 0");
    }

    @Test
    void aLateEventCountsFromItsArrivalIfItsTileIsStillInside() throws Exception {
        open(plan("arrival", argument("double"), ONE_WINDOW, aggregate("count", null, 0, "bigint"), aggregate("last", 0, 0, "double")));
        event(1200, 1200, 1.0);
        event(1100, 1205, 2.0); // floor(1205 - 100, 10) = 1100: just in; leaves at 1210
        event(1099, 1206, 3.0); // its tile left at 1200: out, but a row all the same
        rows("e 1200 1200 1 s 0 0 1 1.0", "e 1205 1200 2 s 0 1 2 1.0", "e 1206 1200 3 s 0 2 2 1.0");
        harness.processWatermark(1209);
        rows();
        harness.processWatermark(1310);
        rows("e 1210 1200 4 - - - 1 1.0", "e 1310 1200 5 - - - 0 -");
    }

    @Test
    void anEventFromTheFutureTakesTheLogsTime() throws Exception {
        open(plan("arrival", argument("double"), ONE_WINDOW, aggregate("count", null, 0, "bigint"), aggregate("last", 0, 0, "double")));
        event(99_999, 1000, 1.0);
        event(1001, 1001, 2.0);
        harness.processWatermark(1110);
        rows("e 1000 1000 1 s 0 0 1 1.0", "e 1001 1001 2 s 0 1 2 2.0", "e 1110 1001 3 - - - 0 -");
    }

    @Test
    void oneRowABoundaryHoweverManyWindowsItTouches() throws Exception {
        open(plan("arrival", "", "\"windows\":[{\"size\":100,\"hop\":10},{\"size\":40,\"hop\":20},{\"size\":200,\"hop\":10}]",
                aggregate("count", null, 0, "bigint"), aggregate("count", null, 1, "bigint"), aggregate("count", null, 2, "bigint")));
        event(0, 0); // leaves 100/10 at 110, 40/20 at 60, 200/10 at 210
        event(50, 50); // leaves at 160, 100 and 260
        event(100, 100); // at 100 the second event leaves 40/20 first; leaves at 210, 160 and 310
        rows("e 0 0 1 s 0 0 1 1 1", "e 50 50 2 s 0 1 2 2 2", "e 60 50 3 - - - 2 1 2", "e 100 50 4 - - - 2 0 2",
                "e 100 100 5 s 0 2 3 1 3");
        harness.processWatermark(1000);
        rows("e 110 100 6 - - - 2 1 3", "e 160 100 7 - - - 1 0 3", "e 210 100 8 - - - 0 0 2", "e 260 100 9 - - - 0 0 1",
                "e 310 100 10 - - - 0 0 0");
    }

    @Test
    void aLateEventIsAdmittedOnlyToTheWindowsThatItsTileHasNotLeft() throws Exception {
        open(plan("arrival", argument("bigint"), "\"windows\":[{\"size\":20,\"hop\":10},{\"size\":100,\"hop\":10}]",
                aggregate("sum", 0, 0, "bigint"), aggregate("sum", 0, 1, "bigint")));
        event(0, 0, 1L);
        event(40, 40, 10L); // the tile [0, 10) has left the short window at 30
        event(5, 45, 100L); // only in the long window, into a tile that is still there
        event(15, 46, 1000L); // only in the long window, into a tile of its own
        rows("e 0 0 1 s 0 0 1 1", "e 30 0 2 - - - 0 1", "e 40 40 3 s 0 1 10 11", "e 45 40 4 s 0 2 10 111",
                "e 46 40 5 s 0 3 10 1111");
        harness.processWatermark(1000);
        rows("e 70 40 6 - - - 0 1111", "e 110 40 7 - - - 0 1010", "e 120 40 8 - - - 0 10", "e 150 40 9 - - - 0 0");
    }

    @Test
    void anEmptiedSumIsZeroWhateverTheOrder() throws Exception {
        open(plan("arrival", argument("double"), ONE_WINDOW, aggregate("sum", 0, 0, "double"), aggregate("mean", 0, 0, "double")));
        event(0, 0, 0.1);
        event(10, 10, 1e12);
        event(20, 20, 0.2);
        rows("e 0 0 1 s 0 0 0.1 0.1", "e 10 10 2 s 0 1 1.0000000000001E12 5.0000000000005E11",
                "e 20 20 3 s 0 2 1.0000000000003E12 3.3333333333343335E11");
        harness.processWatermark(1000);
        rows("e 110 20 4 - - - 1.0000000000002E12 5.000000000001E11", "e 120 20 5 - - - 0.2 0.2", "e 130 20 6 - - - 0.0 -");
    }

    @Test
    void doublesAreRoundedToTheScaleTiesToEvenAndNegativeZeroIsZero() throws Exception {
        open(plan("arrival", argument("double"), ONE_WINDOW, aggregate("sum", 0, 0, "double"), aggregate("min", 0, 0, "double")));
        event(0, 0, -0.0);
        event(1, 1, 0.0000005);
        event(2, 2, 0.0000015);
        rows("e 0 0 1 s 0 0 0.0 0.0", "e 1 1 2 s 0 1 0.0 0.0", "e 2 2 3 s 0 2 2.0E-6 0.0");
    }

    @Test
    void theNewestValueGoesByTimeThenByTheLog() throws Exception {
        open(plan("arrival", argument("string"), ONE_WINDOW, aggregate("last", 0, 0, "string")));
        event(10, 10, "a");
        event(9, 11, "older");
        event(10, 12, "tie");
        event(15, 16, new Object[] {null});
        rows("e 10 10 1 s 0 0 a", "e 11 10 2 s 0 1 a", "e 12 10 3 s 0 2 tie", "e 16 15 4 s 0 3 tie");
    }

    @Test
    void inArrivalOrderAnEventBehindTheWatermarkIsAppliedAsItComes() throws Exception {
        open(plan("arrival", "", ONE_WINDOW, aggregate("count", null, 0, "bigint")));
        harness.processWatermark(5000);
        event(1000, 1000);
        rows("e 1000 1000 1 s 0 0 1");
        harness.processWatermark(5001);
        rows("e 1110 1000 2 - - - 0");
    }

    @Test
    void inLogOrderEventsWaitAndAreSorted() throws Exception {
        open(plan("log", argument("string"), ONE_WINDOW, aggregate("count", null, 0, "bigint"), aggregate("last", 0, 0, "string")));
        placed(1, 8, 20, 20, "d");
        placed(1, 7, 10, 10, "b");
        placed(0, 9, 10, 10, "a");
        placed(1, 6, 10, 10, "same");
        rows();
        harness.processWatermark(9);
        rows();
        harness.processWatermark(10);
        rows("e 10 10 1 s 0 9 1 a", "e 10 10 2 s 1 6 2 same", "e 10 10 3 s 1 7 3 b");
        placed(0, 10, 120, 120, "z"); // at its T the first tile leaves, and so does the second one at 130
        harness.processWatermark(125);
        rows("e 20 20 4 s 1 8 4 d", "e 120 20 5 - - - 1 d", "e 120 120 6 s 0 10 2 z");
        harness.processWatermark(230);
        rows("e 130 120 7 - - - 1 z", "e 230 120 8 - - - 0 -");
        assertEquals(0, harness.numEventTimeTimers());
    }

    @Test
    void theEndOfTheInputAppliesWhatIsHeldAndDecaysNothing() throws Exception {
        open(plan("log", "", ONE_WINDOW, aggregate("count", null, 0, "bigint")));
        event(10, 10);
        event(200, 200);
        harness.processWatermark(Long.MAX_VALUE);
        rows("e 10 10 1 s 0 0 1", "e 120 10 2 - - - 0", "e 200 200 3 s 0 1 1");
    }

    @Test
    void oneTimerAKey() throws Exception {
        open(plan("arrival", "", ONE_WINDOW, aggregate("count", null, 0, "bigint")));
        for (int i = 0; i < 50; i++) {
            event(i * 7, i * 7);
            assertEquals(1, harness.numEventTimeTimers());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aRestoreInMidStreamGivesTheSameRows(boolean rocks) throws Exception {
        StateBackend backend = rocks ? new EmbeddedRocksDBStateBackend() : new HashMapStateBackend();
        for (String order : List.of("arrival", "log")) {
            WindowsPlan plan = plan(order, argument("double") + "," + argument("string"),
                    "\"windows\":[{\"size\":100,\"hop\":10},{\"size\":40,\"hop\":20}]",
                    aggregate("sum", 0, 0, "double"), aggregate("min", 0, 1, "double"), aggregate("last", 1, 0, "string"));
            offset = 0;
            open(plan, backend, null);
            event(1000, 1000, 0.1, "a");
            event(1001, 1001, 0.2, null);
            harness.processWatermark(1000);
            OperatorSubtaskState state = harness.snapshot(1, 1);
            event(1003, 1003, 9.0, "lost with the job");
            harness.close();
            open(plan, backend, state);
            offset = 2;
            event(1002, 1002, 0.3, "b");
            harness.processWatermark(1060);
            rows(order.equals("log")
                    ? new String[] {"e 1001 1001 2 s 0 1 0.3 0.1 a", "e 1002 1002 3 s 0 2 0.6 0.1 b", "e 1060 1002 4 - - - 0.6 - b"}
                    : new String[] {"e 1002 1002 3 s 0 2 0.6 0.1 b", "e 1060 1002 4 - - - 0.6 - b"});
            harness.close();
            harness = null;
        }
    }
}
