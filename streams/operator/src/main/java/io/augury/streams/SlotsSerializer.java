package io.augury.streams;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Writes {@link Slots}: of each of its arrays the length, then the items; the length of a missing text is -1. */
final class SlotsSerializer extends TypeSerializerSingleton<Slots> {
    private static final long serialVersionUID = 1L;

    static final SlotsSerializer INSTANCE = new SlotsSerializer();

    private static final int MISSING = -1;

    @Override
    public void serialize(Slots slots, DataOutputView to) throws IOException {
        to.writeInt(slots.numbers.length);
        for (long number : slots.numbers) {
            to.writeLong(number);
        }
        to.writeInt(slots.texts.length);
        for (byte[] text : slots.texts) {
            if (text == null) {
                to.writeInt(MISSING);
            } else {
                to.writeInt(text.length);
                to.write(text);
            }
        }
        to.writeInt(slots.frequencies.length);
        for (Frequencies frequencies : slots.frequencies) {
            frequencies.write(to);
        }
    }

    @Override
    public Slots deserialize(DataInputView from) throws IOException {
        long[] numbers = new long[from.readInt()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = from.readLong();
        }
        byte[][] texts = new byte[from.readInt()][];
        for (int i = 0; i < texts.length; i++) {
            int length = from.readInt();
            if (length != MISSING) {
                texts[i] = new byte[length];
                from.readFully(texts[i]);
            }
        }
        Frequencies[] frequencies = new Frequencies[from.readInt()];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = Frequencies.read(from);
        }
        return new Slots(numbers, texts, frequencies);
    }

    @Override
    public Slots deserialize(Slots reuse, DataInputView from) throws IOException {
        return deserialize(from);
    }

    @Override
    public boolean isImmutableType() {
        return false;
    }

    @Override
    public Slots createInstance() {
        return Slots.empty(0, 0, 0);
    }

    @Override
    public Slots copy(Slots from) {
        return from.copy();
    }

    @Override
    public Slots copy(Slots from, Slots reuse) {
        return from.copy();
    }

    @Override
    public void copy(DataInputView from, DataOutputView to) throws IOException {
        serialize(deserialize(from), to);
    }

    @Override
    public int getLength() {
        return -1;
    }

    @Override
    public TypeSerializerSnapshot<Slots> snapshotConfiguration() {
        return new Snapshot();
    }

    /** Names the format in savepoints; public, for Flink makes it by name. */
    public static final class Snapshot extends SimpleTypeSerializerSnapshot<Slots> {
        public Snapshot() {
            super(() -> INSTANCE);
        }
    }
}
