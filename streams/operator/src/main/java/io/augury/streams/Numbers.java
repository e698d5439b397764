package io.augury.streams;

import org.apache.flink.table.functions.ScalarFunction;

/**
 * Functions of doubles for Flink SQL: NULL unless all arguments and the result are finite.
 *
 * <p>By {@link StrictMath}, so that a restart or a newly compiled method changes no bit. Flink's own go through {@link
 * Math}, its square root by a power that is not correctly rounded.
 */
public final class Numbers {
    private Numbers() {}

    private static Double finite(double value) {
        return Double.isFinite(value) ? value : null;
    }

    /** A function of one number. */
    public abstract static class Unary extends ScalarFunction {
        protected abstract double of(double x);

        public Double eval(Double x) {
            return x == null || !Double.isFinite(x) ? null : finite(of(x));
        }
    }

    /** A function of two numbers. */
    public abstract static class Binary extends ScalarFunction {
        protected abstract double of(double x, double y);

        public Double eval(Double x, Double y) {
            boolean known = x != null && y != null && Double.isFinite(x) && Double.isFinite(y);
            return known ? finite(of(x, y)) : null;
        }
    }

    public static final class Sqrt extends Unary {
        @Override
        protected double of(double x) {
            return StrictMath.sqrt(x);
        }
    }

    public static final class Ln extends Unary {
        @Override
        protected double of(double x) {
            return StrictMath.log(x);
        }
    }

    public static final class Log10 extends Unary {
        @Override
        protected double of(double x) {
            return StrictMath.log10(x);
        }
    }

    public static final class Exp extends Unary {
        @Override
        protected double of(double x) {
            return StrictMath.exp(x);
        }
    }

    public static final class Sin extends Unary {
        @Override
        protected double of(double x) {
            return StrictMath.sin(x);
        }
    }

    public static final class Cos extends Unary {
        @Override
        protected double of(double x) {
            return StrictMath.cos(x);
        }
    }

    /** No exponent beyond 1000, no subnormal base: there other engines are far off. */
    public static final class Power extends Binary {
        @Override
        protected double of(double x, double y) {
            boolean held = Math.abs(y) <= 1000 && (x == 0 || Math.abs(x) >= Double.MIN_NORMAL);
            return held ? StrictMath.pow(x, y) : Double.NaN;
        }
    }

    public static final class Atan2 extends Binary {
        @Override
        protected double of(double y, double x) {
            return StrictMath.atan2(y, x);
        }
    }
}
