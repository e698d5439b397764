package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Int128Test {
    private static BigInteger value(long[] of) {
        return BigInteger.valueOf(of[1]).shiftLeft(64).add(new BigInteger(Long.toUnsignedString(of[0])));
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
            assertEquals(expected.doubleValue(), Int128.toDouble(sum, 0));
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
    void doublesAreTheNearestOnesTiesToEven() {
        for (BigInteger exact : new BigInteger[] {
            BigInteger.ONE.shiftLeft(64).add(BigInteger.ONE),
            BigInteger.ONE.shiftLeft(100).add(BigInteger.ONE.shiftLeft(47)),
            BigInteger.ONE.shiftLeft(100).add(BigInteger.ONE.shiftLeft(47)).add(BigInteger.ONE),
            BigInteger.ONE.shiftLeft(90).negate(),
            BigInteger.valueOf((1L << 53) + 1)
        }) {
            long[] of = {exact.longValue(), exact.shiftRight(64).longValue()};
            assertEquals(exact.doubleValue(), Int128.toDouble(of, 0));
        }
    }
}
