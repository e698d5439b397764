package io.augury.streams;

/**
 * Two's complement 256-bit integers, kept as four longs of an array, the lowest at {@code at}.
 *
 * <p>They wrap modulo 2^256, so that a result that fits is exact, whatever was passed on the way.
 */
final class Int256 {
    static final int SLOTS = 4;

    private Int256() {}

    /** Adds the four longs of {@code that} from {@code from} on. */
    static void add(long[] to, int at, long[] that, int from) {
        long carry = 0;
        for (int i = 0; i < SLOTS; i++) {
            long partial = to[at + i] + that[from + i];
            long sum = partial + carry;
            // At most one of the two additions overflows.
            carry = (Long.compareUnsigned(partial, that[from + i]) < 0 ? 1 : 0) + (Long.compareUnsigned(sum, partial) < 0 ? 1 : 0);
            to[at + i] = sum;
        }
    }

    /** Subtracts the four longs of {@code that} from {@code from} on. */
    static void subtract(long[] of, int at, long[] that, int from) {
        long borrow = 0;
        for (int i = 0; i < SLOTS; i++) {
            long before = of[at + i];
            long partial = before - that[from + i];
            of[at + i] = partial - borrow;
            borrow = (Long.compareUnsigned(before, that[from + i]) < 0 ? 1 : 0)
                    + (Long.compareUnsigned(partial, borrow) < 0 ? 1 : 0);
        }
    }

    /** Gives the product, modulo 2^256. */
    static long[] multiply(long[] a, long[] b) {
        long[] product = new long[SLOTS];
        for (int i = 0; i < SLOTS; i++) {
            long carry = 0;
            for (int j = 0; i + j < SLOTS; j++) {
                // a limb times a limb plus two limbs is below 2^128
                long low = a[i] * b[j];
                long high = multiplyUnsignedHigh(a[i], b[j]);
                low += carry;
                high += Long.compareUnsigned(low, carry) < 0 ? 1 : 0;
                long sum = product[i + j] + low;
                high += Long.compareUnsigned(sum, low) < 0 ? 1 : 0;
                product[i + j] = sum;
                carry = high;
            }
        }
        return product;
    }

    static void addSquare(long[] to, int at, long value) {
        add(to, at, new long[] {value * value, Math.multiplyHigh(value, value), 0, 0}, 0);
    }

    static void addCube(long[] to, int at, long value) {
        long low = value * value;
        long high = Math.multiplyHigh(value, value);
        long size = Math.abs(value); // 2^63 of the smallest long, as it is read unsigned
        long middle = multiplyUnsignedHigh(low, size);
        long sum = high * size + middle;
        long top = multiplyUnsignedHigh(high, size) + (Long.compareUnsigned(sum, middle) < 0 ? 1 : 0);
        long[] cube = {low * size, sum, top, 0};
        if (value < 0) {
            subtract(to, at, cube, 0);
        } else {
            add(to, at, cube, 0);
        }
    }

    static long[] of(long value) {
        long sign = value >> 63;
        return new long[] {value, sign, sign, sign};
    }

    /** Widens the 128 bits at {@code at}. */
    static long[] of128(long[] from, int at) {
        long sign = from[at + 1] >> 63;
        return new long[] {from[at], from[at + 1], sign, sign};
    }

    static double toDouble(long[] of) {
        return Int128.limbsToDouble(of, 0, SLOTS);
    }

    private static long multiplyUnsignedHigh(long a, long b) {
        return Math.multiplyHigh(a, b) + (a >> 63 & b) + (b >> 63 & a);
    }
}
