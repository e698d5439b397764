package io.augury.streams;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What each aggregate gives for the values of a window, spelled out as in {@code features/readings.py}. */
final class Definitions {
    private Definitions() {}

    /** Gives an aggregate over values that are not NULL, in order of (ts, log order). */
    static Object value(Operation op, Map<String, Object> options, boolean floating, List<Object> values) {
        double unit = floating ? 1e6 : 1;
        BigInteger n = BigInteger.valueOf(values.size());
        switch (op) {
            case COUNT:
                return (long) values.size();
            case SUM:
                BigInteger sum = sum(values, 1);
                return floating ? (Object) (Int128Test.asDouble(sum) / unit) : (Object) sum.longValue();
            case MEAN:
            case SHARE:
                return values.isEmpty() ? null : (Object) (Int128Test.asDouble(sum(values, 1)) / unit / values.size());
            case VARIANCE:
                return values.isEmpty() ? null : (Object) variance(n, values, unit);
            case STDDEV:
                return values.isEmpty() ? null : (Object) Math.sqrt(variance(n, values, unit));
            case SKEWNESS:
                return skewness(n, sum(values, 1), sum(values, 2), sum(values, 3));
            case MIN:
                return values.stream().min(Definitions::compare).orElse(null);
            case MAX:
                return values.stream().max(Definitions::compare).orElse(null);
            case FIRST:
                return values.isEmpty() ? null : values.get(0);
            case LAST:
                List<Object> newest = new ArrayList<>(values);
                Collections.reverse(newest);
                if (options.getOrDefault("distinct", false).equals(true)) {
                    newest = new ArrayList<>(new LinkedHashSet<>(newest));
                }
                int nth = (Integer) options.getOrDefault("nth", 1);
                return nth > newest.size() ? null : newest.get(nth - 1);
            default:
                return ofFrequencies(op, options, values);
        }
    }

    private static Object ofFrequencies(Operation op, Map<String, Object> options, List<Object> values) {
        Map<Object, Integer> found = new TreeMap<>(Definitions::compare);
        values.forEach(v -> found.merge(v, 1, Integer::sum));
        if (found.size() > (Integer) options.get("limit")) {
            return null;
        }
        if (op == Operation.COUNT_DISTINCT) {
            return (long) found.size();
        }
        if (values.isEmpty()) {
            return null;
        }
        int most = Collections.max(found.values());
        if (op == Operation.MODE) {
            return found.keySet().stream().filter(v -> found.get(v) == most).findFirst().orElseThrow();
        }
        if (op == Operation.MODE_SHARE) {
            return most / (double) values.size();
        }
        double rank = Math.max(1, Math.ceil(((Number) options.get("q")).doubleValue() * values.size()));
        return values.stream().sorted(Definitions::compare).toList().get((int) rank - 1);
    }

    private static int compare(Object a, Object b) {
        if (a instanceof String text) {
            return Arrays.compareUnsigned(text.getBytes(UTF_8), ((String) b).getBytes(UTF_8));
        }
        if (a instanceof Boolean flag) {
            return Boolean.compare(flag, (Boolean) b);
        }
        return a instanceof Double number ? Double.compare(number, (Double) b) : Long.compare((Long) a, (Long) b);
    }

    /** Sums powers of the values, doubles as integers of 10^-6. */
    private static BigInteger sum(List<Object> values, int power) {
        BigInteger sum = BigInteger.ZERO;
        for (Object v : values) {
            sum = sum.add(units(v).pow(power));
        }
        return sum;
    }

    /** Gives a value in the units of exact sums, a double as an integer of 10^-6. */
    static BigInteger units(Object value) {
        return value instanceof Boolean flag
                ? BigInteger.valueOf(flag ? 1 : 0)
                : value instanceof Long whole
                        ? BigInteger.valueOf(whole)
                        : new BigDecimal((Double) value * 1e6).setScale(0, RoundingMode.HALF_EVEN).toBigInteger();
    }

    private static double variance(BigInteger n, List<Object> values, double unit) {
        BigInteger spread = n.multiply(sum(values, 2)).subtract(sum(values, 1).pow(2));
        return Int128Test.asDouble(spread) / (unit * unit) / (n.doubleValue() * n.doubleValue());
    }

    private static Double skewness(BigInteger n, BigInteger s1, BigInteger s2, BigInteger s3) {
        double spread = Int128Test.asDouble(n.multiply(s2).subtract(s1.pow(2)));
        if (spread == 0) {
            return null;
        }
        BigInteger third = n.pow(2).multiply(s3)
                .subtract(BigInteger.valueOf(3).multiply(n).multiply(s1).multiply(s2))
                .add(BigInteger.TWO.multiply(s1.pow(3)));
        return Int128Test.asDouble(third) / (spread * Math.sqrt(spread));
    }
}
