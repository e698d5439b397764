package io.augury.streams;

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

    static double toDouble(long[] of, int at) {
        return of[at + 1] == of[at] >> 63 ? (double) of[at] : limbsToDouble(of, at, SLOTS);
    }

    /**
     * Gives a two's complement integer of {@code limbs} longs, the lowest first, as a double: the sum of the
     * doubles of its absolute value's unsigned limbs, from the highest down, signed.
     *
     * <p>This is {@code as_double} of {@code features/exact.py}: within one ulp of the nearest double, and
     * what every engine can compute.
     */
    static double limbsToDouble(long[] of, int at, int limbs) {
        boolean negative = of[at + limbs - 1] < 0;
        int lowest = 0; // limb that is not 0: minus a number inverts the limbs above it
        while (lowest < limbs - 1 && of[at + lowest] == 0) {
            lowest++;
        }
        double value = 0;
        for (int i = limbs - 1; i >= 0; i--) {
            long limb = of[at + i];
            value = value * 0x1p64 + unsignedToDouble(negative ? i > lowest ? ~limb : -limb : limb);
        }
        return negative ? -value : value;
    }

    /** Gives the double that is nearest to an unsigned long, ties to even. */
    private static double unsignedToDouble(long value) {
        // Halved, the lowest bit still tells that the rest was not 0.
        return value >= 0 ? (double) value : 2.0 * (double) (value >>> 1 | value & 1);
    }
}
