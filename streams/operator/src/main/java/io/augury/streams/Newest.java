package io.augury.streams;

import java.util.Arrays;

/**
 * The newest values of an argument in a window or a lifetime, the newest first: at {@code numbers} how many,
 * then the time and the value of each; of a text the values lie from {@code texts} on, which is else -1.
 *
 * <p>{@code depth} of them are enough, with what comes and goes: what lies behind them is as old or older, so
 * that it leaves with them or before, and until then they stay ahead of it. Of distinct values the same holds
 * for the newest place of each. Only an event can bring in a value, and it is there at once.
 */
record Newest(int argument, boolean textual, boolean distinct, int depth, int numbers, int texts) {
    static final int PER_VALUE = 2;

    /** How many longs are taken. */
    int numberCount() {
        return 1 + depth * PER_VALUE;
    }

    /** Tells whether an aggregate of the same window is read from these. */
    boolean serves(WindowsPlan.Aggregate a) {
        return argument == a.argument() && distinct == a.options().distinct();
    }

    /** Takes the event's value. */
    void add(Slots slots, Event event) {
        if (!event.present[argument]) {
            return;
        }
        int count = (int) slots.numbers[numbers];
        int at = 0;
        // Events are applied in the order of the log: at one time, the one that comes now is the newest.
        while (at < count && slots.numbers[time(at)] > event.ts) {
            if (distinct && same(slots, at, event)) {
                return;
            }
            at++;
        }
        int until = at; // what makes room: an older place of the value, a new slot, or the oldest value
        while (until < count && !(distinct && same(slots, until, event))) {
            until++;
        }
        if (until == count) {
            if (at == depth) {
                return;
            }
            until = Math.min(count, depth - 1);
            slots.numbers[numbers] = Math.min(count + 1, depth);
        }
        System.arraycopy(slots.numbers, time(at), slots.numbers, time(at + 1), (until - at) * PER_VALUE);
        slots.numbers[time(at)] = event.ts;
        slots.numbers[time(at) + 1] = event.raw[argument];
        if (textual) {
            System.arraycopy(slots.texts, texts + at, slots.texts, texts + at + 1, until - at);
            slots.texts[texts + at] = event.text[argument];
        }
    }

    /** Drops the values before {@code end}. */
    void leave(Slots slots, long end) {
        int count = (int) slots.numbers[numbers];
        while (count > 0 && slots.numbers[time(count - 1)] < end) {
            count--;
            if (textual) {
                slots.texts[texts + count] = null;
            }
        }
        slots.numbers[numbers] = count;
    }

    private int time(int index) {
        return numbers + 1 + index * PER_VALUE;
    }

    private boolean same(Slots slots, int index, Event event) {
        return textual
                ? Arrays.equals(slots.texts[texts + index], event.text[argument])
                : slots.numbers[time(index) + 1] == event.raw[argument];
    }

    /** Gives the nth newest value, from 1; NULL where there is none. */
    Object value(Slots slots, int nth, ValueType type) {
        if (nth > slots.numbers[numbers]) {
            return null;
        }
        return textual ? type.decode(slots.texts[texts + nth - 1]) : type.field(slots.numbers[time(nth - 1) + 1]);
    }
}
