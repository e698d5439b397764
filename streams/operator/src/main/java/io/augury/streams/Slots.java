package io.augury.streams;

import java.util.Arrays;

/** What is kept of an entity or of a tile; {@link Layout} tells which item lies where. A text is its UTF-8 bytes. */
final class Slots {
    final long[] numbers;
    /** The arrays inside are shared and never changed. */
    final byte[][] texts;

    final Frequencies[] frequencies;

    Slots(long[] numbers, byte[][] texts, Frequencies[] frequencies) {
        this.numbers = numbers;
        this.texts = texts;
        this.frequencies = frequencies;
    }

    /** Gives zeros, no texts, and empty multisets. */
    static Slots empty(int numbers, int texts, int frequencies) {
        Slots slots = new Slots(new long[numbers], new byte[texts][], new Frequencies[frequencies]);
        Arrays.setAll(slots.frequencies, i -> new Frequencies());
        return slots;
    }

    Slots copy() {
        Slots copy = new Slots(numbers.clone(), texts.clone(), frequencies.clone());
        Arrays.setAll(copy.frequencies, i -> frequencies[i].copy());
        return copy;
    }
}
