package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.junit.jupiter.api.Test;

class ClockPublisherTest {
    @Test
    void theClockIsToldOnceAStepAndAtTheEnd() throws Exception {
        WindowsPlan plan = WindowsPlan.read("{\"group\":\"g\",\"version\":2,\"order\":\"log\",\"bound\":1,\"scale\":6,"
                + "\"clock_step_ms\":500,\"arguments\":[],\"windows\":[],\"aggregates\":[]}");
        try (OneInputStreamOperatorTestHarness<RowData, RowData> harness =
                new OneInputStreamOperatorTestHarness<>(new ClockPublisher(plan))) {
            harness.setup(InternalTypeInfo.of(ClockPublisher.ROW).toRowSerializer());
            harness.open();
            for (long mark : new long[] {1000, 1499, 1500, 1501, 9999, 10_100}) {
                harness.processWatermark(new Watermark(mark));
            }
            assertEquals(List.of("g 2 1000", "g 2 1500", "g 2 9999"), Operators.taken(harness));
            harness.processWatermark(Watermark.MAX_WATERMARK);
            harness.endInput();
            assertEquals(List.of("g 2 10100"), Operators.taken(harness));
        }
    }
}
