package io.augury.streams;

import io.augury.streams.Operation.Part;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/**
 * How an aggregate's value, a field of a row, is read out of an entity's slots. The formulas are those of
 * {@code features/exact.py} and {@code features/readings.py}, operation by operation.
 */
final class Readings {
    private Readings() {}

    /** Reads an aggregate over one of the windows that share tiles. */
    static Function<Slots, Object> of(WindowsPlan plan, WindowsPlan.Aggregate a, Layout.Sharing sharing) {
        int index = 0;
        while (!Objects.equals(sharing.spans().get(index).window(), plan.over(a))) {
            index++;
        }
        Layout.Span span = sharing.spans().get(index);
        if (a.has(Part.LAST)) {
            Newest newest = span.newest().stream().filter(n -> n.serves(a)).findFirst().orElseThrow();
            return slots -> newest.value(slots, a.options().nth(), a.type());
        }
        if (a.has(Part.DECAYED)) {
            Decayed decayed = sharing.decayed().stream().filter(d -> d.serves(a)).findFirst().orElseThrow();
            double unit = Decayed.counted(a) ? 1 : unit(plan, a);
            return slots -> decayed.value(slots) / unit;
        }
        if (a.has(Part.VALUES)) {
            Values values = sharing.values().stream()
                    .filter(v -> v.argument() == a.argument())
                    .findFirst()
                    .orElseThrow();
            return ofValues(a, values, span, values.inSpans()[index]);
        }
        return ofParts(plan, a, sharing.parts(), span.place());
    }

    private static Function<Slots, Object> ofParts(
            WindowsPlan plan, WindowsPlan.Aggregate a, Parts parts, Parts.Place place) {
        ValueType taken = a.argument() < 0 ? null : plan.arguments().get(a.argument()).type();
        double unit = unit(plan, a);
        int sum = slot(a, Part.SUM, parts, place);
        int count = slot(a, Part.COUNT, parts, place);
        int squares = slot(a, Part.SQUARES, parts, place);
        int cubes = slot(a, Part.CUBES, parts, place);
        return switch (a.op()) {
            case COUNT -> slots -> slots.numbers[count];
            case SUM -> taken == ValueType.DOUBLE
                    ? slots -> Int128.toDouble(slots.numbers, sum) / unit
                    : slots -> slots.numbers[sum];
            case VARIANCE -> ofSome(count, s -> Moments.variance(s.numbers[count], s.numbers, sum, squares, unit));
            case STDDEV -> ofSome(count, s -> Math.sqrt(Moments.variance(s.numbers[count], s.numbers, sum, squares, unit)));
            case SKEWNESS -> slots -> Moments.skewness(slots.numbers[count], slots.numbers, sum, squares, cubes);
            case MIN, MAX -> {
                int extreme = slot(a, a.op() == Operation.MIN ? Part.MIN : Part.MAX, parts, place);
                yield slots -> slots.numbers[count] == 0 ? null : taken.field(slots.numbers[extreme]);
            }
            case FIRST -> {
                int value = slot(a, Part.FIRST, parts, place) + 1;
                int text = place.texts() + parts.text(a.argument());
                yield slots -> slots.numbers[count] == 0
                        ? null
                        : taken == ValueType.STRING ? taken.decode(slots.texts[text]) : taken.field(slots.numbers[value]);
            }
            default -> ofSome(count, s -> Int128.toDouble(s.numbers, sum) / unit / (double) s.numbers[count]);
        };
    }

    /** Gives how many units make one. */
    private static double unit(WindowsPlan plan, WindowsPlan.Aggregate a) {
        boolean floating = a.argument() >= 0 && plan.arguments().get(a.argument()).type() == ValueType.DOUBLE;
        return floating ? Math.pow(10, plan.scale()) : 1;
    }

    private static int slot(WindowsPlan.Aggregate a, Part part, Parts parts, Parts.Place place) {
        return a.has(part) ? place.numbers() + parts.slot(part, a.argument()) : -1;
    }

    /** Reads what is NULL where there is no value. */
    private static Function<Slots, Object> ofSome(int count, ToDoubleFunction<Slots> value) {
        return slots -> slots.numbers[count] == 0 ? null : (Object) value.applyAsDouble(slots);
    }

    private static Function<Slots, Object> ofValues(WindowsPlan.Aggregate a, Values values, Layout.Span span, int at) {
        Function<Frequencies, Object> value = switch (a.op()) {
            case COUNT_DISTINCT -> found -> (long) found.size();
            case MODE -> found -> found.size() == 0 ? null : a.type().decode(found.mode());
            case MODE_SHARE -> found -> found.size() == 0 ? null : (Object) ((double) found.highest() / (double) found.total());
            default -> found -> found.size() == 0 ? null : a.type().decode(found.ranked(rank(a.options().q(), found.total())));
        };
        return slots -> {
            long givenUp = slots.numbers[values.givenUp()];
            boolean tooMany = span.window() == null ? givenUp != Values.NONE_YET : givenUp >= slots.numbers[span.cursor()];
            Frequencies found = slots.frequencies[at];
            return tooMany || found.size() > a.options().limit() ? null : value.apply(found);
        };
    }

    private static long rank(double q, long total) {
        return Math.max(1, (long) Math.ceil(q * (double) total));
    }
}
