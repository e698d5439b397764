package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Int128Test {
    private static BigInteger value(long[] of) {
        return BigInteger.valueOf(of[1]).shiftLeft(64).add(new BigInteger(Long.toUnsignedString(of[0])));
    }

    /** As {@code as_double} of {@code features/exact.py}. */
    static double asDouble(BigInteger exact) {
        double value = 0;
        BigInteger size = exact.abs();
        for (int shift = 64 * (size.bitLength() / 64); shift >= 0; shift -= 64) {
            BigInteger limb = size.shiftRight(shift).and(BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE));
            value = value * Math.pow(2, 64) + limb.doubleValue();
        }
        return exact.signum() < 0 ? -value : value;
    }

    @Test
    void sumsAndDifferencesAreThoseOfBigIntegers() {
        Random random = new Random(1);
        long[] sum = new long[2];
        BigInteger expected = BigInteger.ZERO;
        for (int i = 0; i < 100_000; i++) {
            long x = random.nextLong() >> random.nextInt(64);
            if (random.nextBoolean()) {
                Int128.add(sum, 0, x, x >> 63);
                expected = expected.add(BigInteger.valueOf(x));
            } else {
                Int128.subtract(sum, 0, x, x >> 63);
                expected = expected.subtract(BigInteger.valueOf(x));
            }
            assertEquals(expected, value(sum));
            assertEquals(asDouble(expected), Int128.toDouble(sum, 0));
        }
    }

    @Test
    void extremesOfLongsCarry() {
        long[] sum = new long[2];
        for (int i = 0; i < 4; i++) {
            Int128.add(sum, 0, Long.MAX_VALUE, 0);
        }
        assertEquals(BigInteger.valueOf(Long.MAX_VALUE).multiply(BigInteger.valueOf(4)), value(sum));
        for (int i = 0; i < 8; i++) {
            Int128.add(sum, 0, Long.MIN_VALUE, -1);
        }
        BigInteger expected = BigInteger.valueOf(Long.MAX_VALUE)
                .multiply(BigInteger.valueOf(4))
                .add(BigInteger.valueOf(Long.MIN_VALUE).multiply(BigInteger.valueOf(8)));
        assertEquals(expected, value(sum));
    }

    @Test
    void differencesOfWrappedTotalsAreExact() {
        long[] total = {-1L, Long.MAX_VALUE}; // 2^127 - 1
        long[] before = total.clone();
        Int128.add(total, 0, 7, 0); // wraps
        Int128.subtract(total, 0, before[0], before[1]);
        assertEquals(BigInteger.valueOf(7), value(total));
    }

    @Test
    void doublesAreTheSumsOfTheirLimbs() {
        BigInteger end = BigInteger.ONE.shiftLeft(127);
        for (BigInteger exact : new BigInteger[] {
            BigInteger.ZERO,
            BigInteger.ONE.negate(),
            BigInteger.valueOf(Long.MIN_VALUE),
            BigInteger.ONE.shiftLeft(63),
            BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE),
            BigInteger.ONE.shiftLeft(64).add(BigInteger.ONE),
            BigInteger.ONE.shiftLeft(64).negate(),
            BigInteger.ONE.shiftLeft(100).add(BigInteger.ONE.shiftLeft(47)).add(BigInteger.ONE),
            BigInteger.valueOf((1L << 53) + 1),
            end.subtract(BigInteger.ONE),
            end.negate()
        }) {
            long[] of = {exact.longValue(), exact.shiftRight(64).longValue()};
            assertEquals(asDouble(exact), Int128.toDouble(of, 0));
        }
    }

    @Test
    void eachLimbIsRoundedWhichTheNearestDoubleIsNot() {
        // The high limb lies between two doubles and goes to the even one; the low limb would tip it the other way.
        long[] of = {1, (1L << 53) + 1};
        assertEquals(0x1p117, Int128.toDouble(of, 0));
        assertEquals(Math.nextUp(0x1p117), value(of).doubleValue());
    }
}
