package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Int256Test {
    private static final int TRIES = 50_000;

    private static BigInteger value(long[] of, int at) {
        BigInteger value = BigInteger.valueOf(of[at + 3]);
        for (int i = 2; i >= 0; i--) {
            value = value.shiftLeft(64).add(new BigInteger(Long.toUnsignedString(of[at + i])));
        }
        return value;
    }

    /** Modulo 2^256. */
    private static long[] limbs(BigInteger value) {
        long[] of = new long[4];
        for (int i = 0; i < 4; i++) {
            of[i] = value.shiftRight(64 * i).longValue();
        }
        return of;
    }

    /** Of every length, with limbs of all zeros and ones among them. */
    private static long[] random(Random random) {
        BigInteger bits = new BigInteger(1 + random.nextInt(256), random);
        if (random.nextInt(3) == 0) {
            bits = BigInteger.ONE.shiftLeft(random.nextInt(256)).subtract(BigInteger.valueOf(random.nextInt(3)));
        }
        return limbs(random.nextBoolean() ? bits : bits.negate());
    }

    @Test
    void sumsDifferencesAndProductsAreThoseOfBigIntegers() {
        Random random = new Random(1);
        for (int i = 0; i < TRIES; i++) {
            long[] a = random(random);
            long[] b = random(random);
            long[] padded = {7, a[0], a[1], a[2], a[3], 7};
            Int256.add(padded, 1, new long[] {9, b[0], b[1], b[2], b[3]}, 1);
            long[] sum = limbs(value(a, 0).add(value(b, 0)));
            assertArrayEquals(new long[] {7, sum[0], sum[1], sum[2], sum[3], 7}, padded);
            Int256.subtract(padded, 1, b, 0);
            assertEquals(value(a, 0), value(padded, 1));
            Int256.subtract(padded, 1, b, 0);
            assertArrayEquals(limbs(value(a, 0).subtract(value(b, 0))), limbs(value(padded, 1)));
            assertArrayEquals(limbs(value(a, 0).multiply(value(b, 0))), Int256.multiply(a, b));
        }
    }

    @Test
    void squaresAndCubesOfAnyLongAreExact() {
        Random random = new Random(2);
        long[] extremes = {Long.MIN_VALUE, Long.MAX_VALUE, Long.MIN_VALUE + 1, -1, 0, 1, 1L << 32, -(1L << 32)};
        long[] sums = new long[8];
        BigInteger squares = BigInteger.ZERO;
        BigInteger cubes = BigInteger.ZERO;
        for (int i = 0; i < TRIES; i++) {
            long x = i < extremes.length ? extremes[i] : random.nextLong() >> random.nextInt(64);
            Int256.addSquare(sums, 0, x);
            Int256.addCube(sums, 4, x);
            squares = squares.add(BigInteger.valueOf(x).pow(2));
            cubes = cubes.add(BigInteger.valueOf(x).pow(3));
            assertEquals(squares, value(sums, 0));
            assertEquals(cubes, value(sums, 4));
        }
    }

    @Test
    void narrowerIntegersKeepTheirSign() {
        for (long x : new long[] {0, 5, -5, Long.MIN_VALUE}) {
            assertEquals(BigInteger.valueOf(x), value(Int256.of(x), 0));
            long[] wide = {0, x, x};
            BigInteger expected = BigInteger.valueOf(x).shiftLeft(64).add(new BigInteger(Long.toUnsignedString(x)));
            assertEquals(expected, value(Int256.of128(wide, 1), 0));
        }
    }

    @Test
    void doublesAreTheSumsOfTheirLimbs() {
        Random random = new Random(3);
        for (int i = 0; i < TRIES; i++) {
            long[] a = random(random);
            assertEquals(Int128Test.asDouble(value(a, 0)), Int256.toDouble(a));
        }
        assertEquals(0.0, Int256.toDouble(new long[4]));
        assertEquals(-0x1p255, Int256.toDouble(new long[] {0, 0, 0, Long.MIN_VALUE}));
    }
}
