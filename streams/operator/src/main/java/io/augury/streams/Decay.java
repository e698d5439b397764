package io.augury.streams;

import java.math.BigInteger;

/** The weights of exponential decay, as in {@code features/decay.py}: the same integers, by the same steps. */
final class Decay {
    /** Half-lives after which an event is forgotten. */
    static final int KEPT = 63;

    /** What a unit is multiplied by. */
    static final double ONE = 0x1p36;

    private static final int STEPS = 1024;
    private static final int WEIGHT_BITS = 20;
    private static final int GUARD_BITS = 16;
    private static final int FRACTION = 128;

    /** By step, as integers of 2^-20. */
    static final long[] WEIGHTS = weights();

    private Decay() {}

    private static long[] weights() {
        BigInteger step = root(STEPS);
        BigInteger weight = root(2 * STEPS);
        BigInteger half = BigInteger.ONE.shiftLeft(FRACTION - WEIGHT_BITS - 1);
        long[] weights = new long[STEPS];
        for (int i = 0; i < STEPS; i++) {
            weights[i] = weight.add(half).shiftRight(FRACTION - WEIGHT_BITS).longValueExact();
            weight = weight.multiply(step).shiftRight(FRACTION);
        }
        return weights;
    }

    /** Gives 2^(1/degree) as an integer of 2^-128, the degree a power of two. */
    private static BigInteger root(int degree) {
        BigInteger root = BigInteger.TWO.shiftLeft(FRACTION);
        for (int left = degree; left > 1; left /= 2) {
            root = root.shiftLeft(FRACTION).sqrt();
        }
        return root;
    }

    /** Adds what an event of {@code units} adds as it arrives in a half-life, as of that one's start. */
    static void add(long[] to, int at, long units, long ts, long now, long halfLife) {
        long age = now - Math.floorDiv(ts, halfLife);
        if (age <= KEPT) {
            long weight = WEIGHTS[(int) (Math.floorMod(ts, halfLife) * STEPS / halfLife)] << GUARD_BITS;
            addShifted(to, at, units * weight, Math.multiplyHigh(units, weight), (int) age);
        }
    }

    /** Adds floor(value / 2^by), {@code by} from 0 to 63. */
    static void addShifted(long[] to, int at, long low, long high, int by) {
        Int128.add(to, at, by == 0 ? low : low >>> by | high << (Long.SIZE - by), high >> by);
    }
}
