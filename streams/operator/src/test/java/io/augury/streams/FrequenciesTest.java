package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.flink.table.data.StringData;
import org.junit.jupiter.api.Test;

class FrequenciesTest {
    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void same(Map<Long, Long> expected, Frequencies found) {
        assertEquals(expected.size(), found.size());
        assertEquals(expected.values().stream().mapToLong(n -> n).sum(), found.total());
        long rank = 0;
        Long mode = null;
        for (Map.Entry<Long, Long> entry : expected.entrySet()) {
            for (long i = 0; i < entry.getValue(); i++) {
                assertEquals(entry.getKey(), ValueType.BIGINT.decode(found.ranked(++rank)));
            }
            mode = mode == null || entry.getValue() > expected.get(mode) ? entry.getKey() : mode;
        }
        if (mode != null) {
            assertEquals(mode, ValueType.BIGINT.decode(found.mode()));
            assertEquals(expected.get(mode), found.highest());
        }
    }

    @Test
    void valuesComeAndGoAsInAMap() {
        Random random = new Random(1);
        for (int round = 0; round < 200; round++) {
            Map<Long, Long> expected = new TreeMap<>();
            Frequencies all = new Frequencies();
            List<Frequencies> parts = new ArrayList<>();
            for (int part = 0; part < 5; part++) {
                Frequencies some = new Frequencies();
                for (int i = random.nextInt(20); i > 0; i--) {
                    long x = random.nextInt(16) - 8;
                    some.add(ValueType.BIGINT.encode(x));
                    all.add(ValueType.BIGINT.encode(x));
                    expected.merge(x, 1L, Long::sum);
                }
                parts.add(some);
            }
            same(expected, all);
            Frequencies before = all.copy();
            for (Frequencies some : parts) {
                all.subtract(some);
            }
            assertEquals(0, all.size());
            assertEquals(0, all.total());
            same(expected, before);
        }
    }

    @Test
    void bytesAreInTheOrderOfWhatTheyStandFor() {
        double[] doubles = {Double.NEGATIVE_INFINITY, -1e12, -1.5, -Double.MIN_VALUE, 0.0, Double.MIN_VALUE, 1.5, 1e12};
        long[] longs = {Long.MIN_VALUE, -256, -1, 0, 1, 255, 256, Long.MAX_VALUE};
        for (int i = 0; i < longs.length; i++) {
            byte[] encodedLong = ValueType.BIGINT.encode(longs[i]);
            byte[] encodedDouble = ValueType.DOUBLE.encode(Double.doubleToRawLongBits(doubles[i]));
            assertEquals(longs[i], ValueType.BIGINT.decode(encodedLong));
            assertEquals(doubles[i], ValueType.DOUBLE.decode(encodedDouble));
            for (int j = 0; j < i; j++) {
                assertEquals(1, Integer.signum(Arrays.compareUnsigned(encodedLong, ValueType.BIGINT.encode(longs[j]))));
                assertEquals(1, Integer.signum(Arrays.compareUnsigned(
                        encodedDouble, ValueType.DOUBLE.encode(Double.doubleToRawLongBits(doubles[j])))));
            }
        }
        assertEquals(true, ValueType.BOOLEAN.decode(ValueType.BOOLEAN.encode(1)));
        assertEquals(false, ValueType.BOOLEAN.decode(ValueType.BOOLEAN.encode(0)));
        assertEquals(StringData.fromString("ü日"), ValueType.STRING.decode(text("ü日")));
    }

    @Test
    void textsGoByTheirBytesNotByTheirJavaCharacters() {
        Frequencies found = new Frequencies();
        List<String> texts = new ArrayList<>(List.of("\uffee", "😀", "a", "", "ab", "é"));
        texts.forEach(t -> found.add(text(t)));
        texts.sort(Comparator.comparing(FrequenciesTest::text, Arrays::compareUnsigned));
        assertEquals(List.of("", "a", "ab", "é", "\uffee", "😀"), texts);
        for (int i = 0; i < texts.size(); i++) {
            assertArrayEquals(text(texts.get(i)), found.ranked(i + 1));
        }
        assertArrayEquals(text(""), found.mode());
    }
}
