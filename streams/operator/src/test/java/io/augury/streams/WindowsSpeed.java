package io.augury.streams;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Random;
import org.apache.flink.state.rocksdb.EmbeddedRocksDBStateBackend;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.RowData;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * How many events the windows alone take in a second of processor time, which other loads change little; run by
 * {@code mvn test -Dtest=WindowsSpeed}.
 */
class WindowsSpeed {
    private static final int ENTITIES = 1_000;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void threeWindows(boolean rocks) throws Exception {
        WindowsPlan plan = WindowsPlan.read("{\"group\":\"g\",\"version\":1,\"order\":\"arrival\",\"bound\":1e12,\"scale\":6,"
                + "\"arguments\":[{\"name\":\"x\",\"type\":\"double\"}],"
                + "\"windows\":[{\"size\":3600000,\"hop\":60000},{\"size\":21600000,\"hop\":300000},{\"size\":86400000,\"hop\":900000}],"
                + "\"aggregates\":[{\"name\":\"a\",\"op\":\"mean\",\"argument\":0,\"window\":0,\"type\":\"double\"},"
                + "{\"name\":\"b\",\"op\":\"sum\",\"argument\":0,\"window\":1,\"type\":\"double\"},"
                + "{\"name\":\"c\",\"op\":\"mean\",\"argument\":0,\"window\":2,\"type\":\"double\"}]}");
        int events = rocks ? 50_000 : 300_000;
        EmbeddedRocksDBStateBackend backend = rocks ? new EmbeddedRocksDBStateBackend() : null;
        if (rocks) {
            // The harness manages 3 MB, which RocksDB would flush all the time.
            backend.getMemoryConfiguration().setUseManagedMemory(false);
        }
        Random random = new Random(1);
        try (KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> harness = Operators.windows(plan, backend)) {
            harness.open();
            long rows = 0;
            long t = 0;
            ThreadMXBean threads = ManagementFactory.getThreadMXBean();
            long start = threads.getCurrentThreadCpuTime();
            for (int i = 0; i < events; i++) {
                t += random.nextInt(100);
                harness.processElement(new StreamRecord<>(Operators.row(
                        "e" + random.nextInt(ENTITIES), t - random.nextInt(60_000), t, Operators.TOPIC, 0, (long) i, random.nextDouble())));
                if (i % 1000 == 0) {
                    harness.processWatermark(t - 1);
                    rows += harness.getOutput().size();
                    harness.getOutput().clear();
                }
            }
            double seconds = (threads.getCurrentThreadCpuTime() - start) / 1e9;
            System.out.printf("%s: %.0f events/s, %.0f rows/s%n", rocks ? "RocksDB" : "heap", events / seconds, rows / seconds);
        }
    }
}
