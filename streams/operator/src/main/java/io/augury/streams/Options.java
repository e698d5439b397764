package io.augury.streams;

import java.io.Serializable;
import java.util.function.Predicate;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/**
 * What an aggregate states beside its argument and window, by its operation.
 *
 * @param nth which of the newest values, from 1
 * @param distinct whether each value counts once, at its newest
 * @param limit how many different values a window may hold
 * @param q which quantile
 * @param halfLife in ms
 */
record Options(int nth, boolean distinct, int limit, double q, long halfLife) implements Serializable {

    /** With it, times and their products fit in 64 bits. */
    private static final long LONGEST = 36_500L * 86_400_000L;

    private static final String HALF_LIFE = "half_life is from 1 to " + LONGEST + " ms";

    /** Reads those of an operation; {@code stated} may be missing. */
    static Options read(Operation op, JsonNode stated) {
        stated.fieldNames().forEachRemaining(name -> require(op.options.contains(name),
                "an operation states the options of its catalogue, " + op + " " + op.options, stated));
        boolean counted = op.parts.contains(Operation.Part.VALUES);
        check(stated, "nth", false, JsonNode::isInt, "nth is an integer, 1 or more");
        check(stated, "distinct", false, JsonNode::isBoolean, "distinct is true or false");
        check(stated, "limit", counted, JsonNode::isInt, "limit is an integer, 1 or more");
        check(stated, "q", op == Operation.QUANTILE, JsonNode::isNumber, "q lies between 0 and 1");
        check(stated, "half_life", op.parts.contains(Operation.Part.DECAYED), JsonNode::isIntegralNumber, HALF_LIFE);
        Options read = new Options(
                stated.path("nth").asInt(1),
                stated.path("distinct").asBoolean(false),
                stated.path("limit").asInt(1),
                stated.path("q").asDouble(0),
                stated.path("half_life").asLong(1));
        require(read.nth > 0, "nth is an integer, 1 or more", stated);
        require(read.limit > 0, "limit is an integer, 1 or more", stated);
        require(read.q >= 0 && read.q <= 1, "q lies between 0 and 1", stated);
        require(read.halfLife > 0 && read.halfLife <= LONGEST, HALF_LIFE, stated);
        return read;
    }

    private static void check(JsonNode stated, String name, boolean needed, Predicate<JsonNode> typed, String rule) {
        JsonNode value = stated.path(name);
        require(value.isMissingNode() ? !needed : typed.test(value), rule, stated);
    }

    private static void require(boolean holds, String rule, JsonNode stated) {
        if (!holds) {
            throw new IllegalArgumentException(rule + "; the aggregate cannot be computed (found options " + stated + ")");
        }
    }
}
