package io.augury.streams;

import java.util.Arrays;

/**
 * Variance and skewness out of a count and exact sums of powers: the formulas of {@code features/exact.py},
 * operation by operation. Sums are in units, {@code unit} of which make one.
 */
final class Moments {
    private Moments() {}

    /** Gives (n S2 - S1^2) / n^2 of a count that is not 0; the sum has 128 bits, that of the squares 256. */
    static double variance(long count, long[] of, int sum, int squares, double unit) {
        double spread = Int256.toDouble(spread(count, of, sum, squares));
        return spread / (unit * unit) / ((double) count * (double) count);
    }

    /**
     * Gives N / (D sqrt(D)) with D = n S2 - S1^2 and N = n^2 S3 - 3 n S1 S2 + 2 S1^3; NULL where D is 0.
     */
    static Double skewness(long count, long[] of, int sum, int squares, int cubes) {
        double spread = Int256.toDouble(spread(count, of, sum, squares));
        if (spread == 0) {
            return null;
        }
        long[] n = Int256.of(count);
        long[] s1 = Int256.of128(of, sum);
        long[] s2 = Arrays.copyOfRange(of, squares, squares + Int256.SLOTS);
        long[] s3 = Arrays.copyOfRange(of, cubes, cubes + Int256.SLOTS);
        long[] third = Int256.multiply(Int256.multiply(n, n), s3);
        Int256.subtract(third, 0, Int256.multiply(Int256.multiply(Int256.of(3), n), Int256.multiply(s1, s2)), 0);
        Int256.add(third, 0, Int256.multiply(Int256.of(2), Int256.multiply(s1, Int256.multiply(s1, s1))), 0);
        return Int256.toDouble(third) / (spread * Math.sqrt(spread));
    }

    private static long[] spread(long count, long[] of, int sum, int squares) {
        long[] spread = Int256.multiply(Int256.of(count), Arrays.copyOfRange(of, squares, squares + Int256.SLOTS));
        long[] total = Int256.of128(of, sum);
        Int256.subtract(spread, 0, Int256.multiply(total, total), 0);
        return spread;
    }
}
