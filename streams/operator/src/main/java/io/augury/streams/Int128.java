package io.augury.streams;

import java.math.BigInteger;

/**
 * Two's complement 128-bit integers, kept as two longs of an array: low at {@code at}, high at {@code at + 1}.
 *
 * <p>They wrap modulo 2^128, so that differences of running totals stay exact.
 */
final class Int128 {
    static final int SLOTS = 2;

    private Int128() {}

    static void add(long[] to, int at, long low, long high) {
        long sum = to[at] + low;
        to[at + 1] += high + (Long.compareUnsigned(sum, low) < 0 ? 1 : 0);
        to[at] = sum;
    }

    static void subtract(long[] from, int at, long low, long high) {
        long before = from[at];
        from[at] = before - low;
        from[at + 1] -= high + (Long.compareUnsigned(before, low) < 0 ? 1 : 0);
    }

    /** Gives the nearest double, ties to even. */
    static double toDouble(long[] of, int at) {
        long low = of[at];
        long high = of[at + 1];
        if (high == low >> 63) {
            return (double) low;
        }
        return BigInteger.valueOf(high)
                .shiftLeft(Long.SIZE)
                .add(new BigInteger(Long.toUnsignedString(low)))
                .doubleValue();
    }
}
