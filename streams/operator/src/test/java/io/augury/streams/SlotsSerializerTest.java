package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.junit.jupiter.api.Test;

class SlotsSerializerTest {
    private static final byte[] TEXT = {'t'};

    private static Slots slots() {
        Slots slots = Slots.empty(2, 3, 2);
        slots.numbers[1] = Long.MIN_VALUE;
        slots.texts[0] = new byte[0];
        slots.texts[2] = TEXT;
        for (int i = 0; i < 9; i++) {
            slots.frequencies[1].add(ValueType.BIGINT.encode(i % 5));
        }
        return slots;
    }

    private static void same(Slots found) {
        assertArrayEquals(new long[] {0, Long.MIN_VALUE}, found.numbers);
        assertEquals(3, found.texts.length);
        assertArrayEquals(new byte[0], found.texts[0]);
        assertNull(found.texts[1]);
        assertArrayEquals(TEXT, found.texts[2]);
        assertEquals(2, found.frequencies.length);
        assertEquals(0, found.frequencies[0].size());
        assertEquals(5, found.frequencies[1].size());
        assertEquals(9, found.frequencies[1].total());
        assertEquals(2, found.frequencies[1].highest());
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(16);
        SlotsSerializer.INSTANCE.serialize(slots(), out);
        DataOutputSerializer copied = new DataOutputSerializer(16);
        SlotsSerializer.INSTANCE.copy(new DataInputDeserializer(out.getCopyOfBuffer()), copied);
        assertArrayEquals(out.getCopyOfBuffer(), copied.getCopyOfBuffer());
        same(SlotsSerializer.INSTANCE.deserialize(new DataInputDeserializer(copied.getCopyOfBuffer())));
    }

    @Test
    void aCopySharesNothingThatChanges() {
        Slots slots = slots();
        Slots copy = SlotsSerializer.INSTANCE.copy(slots);
        slots.numbers[1]++;
        slots.texts[2] = null;
        slots.frequencies[0].add(TEXT);
        slots.frequencies[1].add(TEXT);
        slots.frequencies[1].subtract(slots().frequencies[1]);
        same(copy);
    }

    @Test
    void aSavepointNamesTheFormat() throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(64);
        TypeSerializerSnapshot.writeVersionedSnapshot(out, SlotsSerializer.INSTANCE.snapshotConfiguration());
        TypeSerializerSnapshot<Slots> restored = TypeSerializerSnapshot.readVersionedSnapshot(
                new DataInputDeserializer(out.getCopyOfBuffer()), getClass().getClassLoader());
        assertEquals(SlotsSerializer.INSTANCE, restored.restoreSerializer());
        assertTrue(SlotsSerializer.INSTANCE
                .snapshotConfiguration()
                .resolveSchemaCompatibility(restored)
                .isCompatibleAsIs());
    }
}
