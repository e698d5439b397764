package io.augury.streams;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * An exponentially decayed count or sum: of each half-life the exact sum of what arrived in it, as of its start.
 *
 * <p>In the slots lie the number of the half-life of the last event and its sum; in a text those before it that
 * are not forgotten, each with its number.
 *
 * @param argument -1 counts events
 * @param counted whether a value counts as 1
 * @param halfLife in ms
 * @param numbers where the number of the half-life is, and then the sum
 * @param text where the former ones are
 */
record Decayed(int argument, boolean counted, long halfLife, int numbers, int text) {
    static final int NUMBERS = 1 + Int128.SLOTS;

    private static final int FORMER = NUMBERS * Long.BYTES;
    private static final byte[] NONE = new byte[0];

    boolean serves(WindowsPlan.Aggregate a) {
        return a.has(Operation.Part.DECAYED)
                && a.argument() == argument
                && counted(a) == counted
                && a.options().halfLife() == halfLife;
    }

    static boolean counted(WindowsPlan.Aggregate a) {
        return a.op() == Operation.DECAYED_COUNT;
    }

    /** Adds an event that arrives at {@code clock}. */
    void add(Slots state, long clock, Event event) {
        if (argument >= 0 && !event.present[argument]) {
            return;
        }
        long now = Math.floorDiv(clock, halfLife);
        if (state.texts[text] == null || state.numbers[numbers] != now) {
            turn(state, now);
        }
        Decay.add(state.numbers, numbers + 1, counted ? 1 : event.addend[argument], event.ts, now, halfLife);
    }

    /** Begins a half-life: puts the sum so far to the former ones, without those that are forgotten. */
    private void turn(Slots state, long now) {
        byte[] before = state.texts[text];
        ByteBuffer former = ByteBuffer.allocate(before == null ? 0 : before.length + FORMER);
        if (before != null) {
            ByteBuffer all = ByteBuffer.wrap(before);
            while (all.hasRemaining()) {
                keep(former, now, all.getLong(), all.getLong(), all.getLong());
            }
            keep(former, now, state.numbers[numbers], state.numbers[numbers + 1], state.numbers[numbers + 2]);
        }
        state.texts[text] = former.position() == 0 ? NONE : Arrays.copyOf(former.array(), former.position());
        state.numbers[numbers] = now;
        state.numbers[numbers + 1] = 0;
        state.numbers[numbers + 2] = 0;
    }

    private static void keep(ByteBuffer former, long now, long halfLife, long low, long high) {
        if (now - halfLife <= Decay.KEPT) {
            former.putLong(halfLife).putLong(low).putLong(high);
        }
    }

    /** Gives the decayed sum at the entity's clock, in units, as of the start of its half-life. */
    double value(Slots state) {
        if (state.texts[text] == null) {
            return 0;
        }
        long now = Math.floorDiv(state.numbers[Layout.CLOCK], halfLife);
        long[] total = new long[Int128.SLOTS];
        add(total, now, state.numbers[numbers], state.numbers[numbers + 1], state.numbers[numbers + 2]);
        ByteBuffer former = ByteBuffer.wrap(state.texts[text]);
        while (former.hasRemaining()) {
            add(total, now, former.getLong(), former.getLong(), former.getLong());
        }
        return Int128.toDouble(total, 0) / Decay.ONE;
    }

    private static void add(long[] total, long now, long halfLife, long low, long high) {
        if (now - halfLife <= Decay.KEPT) {
            Decay.addShifted(total, 0, low, high, (int) (now - halfLife));
        }
    }
}
