package io.augury.streams;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarCharType;

/** What a feature group's windows compute: read from the JSON text that the group's definition compiles to. */
record WindowsPlan(
        String group,
        int version,
        boolean logOrder,
        int scale,
        long clockStep,
        List<Argument> arguments,
        List<Window> windows,
        List<Aggregate> aggregates)
        implements Serializable {

    /** The input's columns ahead of the arguments: entity, ts, t, topic, partition, offset. */
    static final int ARGUMENTS = 6;

    private static final double LONG_END = 0x1p63;

    /** Below it the numerators of 2^34 values' moments fit in 256 bits. */
    private static final double CUBED_END = 0x1p50;

    /** A number whose absolute value exceeds {@code bound} is refused. */
    record Argument(String name, ValueType type, double bound) implements Serializable {}

    record Window(long size, long hop) implements Serializable {
        /** The start of the tile that an event at {@code ts} lies in. */
        long tile(long ts) {
            return ts - Math.floorMod(ts, hop);
        }

        /** The clock time at which the tile is outside for the first time. */
        long leavesAt(long tile) {
            return tile + hop + size;
        }
    }

    /** {@code argument} is -1 for a count of events, {@code window} is -1 for the entity's lifetime. */
    record Aggregate(String name, Operation op, int argument, int window, ValueType type, Options options)
            implements Serializable {
        boolean has(Operation.Part part) {
            return op.parts.contains(part);
        }
    }

    WindowsPlan {
        arguments = new ArrayList<>(arguments);
        windows = new ArrayList<>(windows);
        aggregates = new ArrayList<>(aggregates);
        for (Argument a : arguments) {
            require(scale >= 0 && a.bound > 0 && a.bound * Math.pow(10, scale) < LONG_END,
                    "bound times 10^scale fits in 64 bits", "a value would overflow", a + ", scale " + scale);
        }
        require(new HashSet<>(windows).size() == windows.size(), "windows are distinct", "a tile would leave twice", windows);
        for (Window w : windows) {
            require(w.hop > 0 && w.size > 0 && w.size % w.hop == 0,
                    "a window's size is a positive multiple of its hop", "its tail would not fall on a boundary", w);
        }
        for (Aggregate a : aggregates) {
            require(a.window < windows.size() && a.argument < arguments.size(),
                    "an aggregate names a window and an argument of the plan", "it cannot be computed", a);
            require(a.op == Operation.COUNT || a.op == Operation.DECAYED_COUNT || a.argument >= 0,
                    "only counts go without an argument", "it has no values", a);
            require(!a.has(Operation.Part.DECAYED) || a.window < 0,
                    "what decays has no window", "it would leave twice", a);
            if (a.argument >= 0) {
                Argument taken = arguments.get(a.argument);
                require(a.op.takes.contains(taken.type),
                        "an operation takes the types of its catalogue", "its values have no such aggregate", a);
                require(a.type == a.op.result(taken.type),
                        "an aggregate has its operation's type", "its column could not be written", a);
                require(!a.has(Operation.Part.CUBES) || taken.bound * Math.pow(10, scale) < CUBED_END,
                        "bound times 10^scale fits in 50 bits where cubes are summed", "moments would overflow", taken);
            }
        }
    }

    private static void require(boolean holds, String rule, String consequence, Object found) {
        if (!holds) {
            throw new IllegalArgumentException(rule + "; " + consequence + " (found " + found + ")");
        }
    }

    static WindowsPlan read(String json) {
        JsonNode plan = Json.object(json);
        String order = Json.text(plan, "order");
        require(Arrays.asList("arrival", "log").contains(order), "order is arrival or log", "rows would differ", order);
        double bound = Json.field(plan, "bound").asDouble();
        return new WindowsPlan(
                Json.text(plan, "group"),
                Json.field(plan, "version").asInt(),
                order.equals("log"),
                Json.field(plan, "scale").asInt(),
                plan.path("clock_step_ms").asLong(1000),
                Json.list(plan, "arguments", a -> new Argument(
                        Json.text(a, "name"), ValueType.of(Json.text(a, "type")), a.path("bound").asDouble(bound))),
                Json.list(plan, "windows", w -> new Window(Json.field(w, "size").asLong(), Json.field(w, "hop").asLong())),
                Json.list(plan, "aggregates", WindowsPlan::aggregate));
    }

    private static Aggregate aggregate(JsonNode a) {
        Operation op = Operation.of(Json.text(a, "op"));
        return new Aggregate(
                Json.text(a, "name"),
                op,
                Json.indexOrNone(a, "argument"),
                Json.indexOrNone(a, "window"),
                ValueType.of(Json.text(a, "type")),
                Options.read(op, a.path("options")));
    }

    /** Refuses an input whose columns are not those of the plan. */
    void check(RowType row) {
        require(row.getFieldCount() == ARGUMENTS + arguments.size(),
                "the input is entity, ts, t, topic, partition, offset and the arguments", "columns would be taken for others", row);
        for (int i = 0; i < arguments.size(); i++) {
            LogicalType type = row.getTypeAt(ARGUMENTS + i);
            require(type.getTypeRoot() == arguments.get(i).type().logical.getTypeRoot(),
                    "an argument's column has its type", "it would be misread", arguments.get(i) + ", column of " + type);
        }
    }

    /** Gives the window of an aggregate; null stands for the lifetime. */
    Window over(Aggregate a) {
        return a.window < 0 ? null : windows.get(a.window);
    }

    String label() {
        return group + ".v" + version;
    }

    /** Of the rows: entity, event_timestamp, last_event_time, seq, topic, partition, offset, then the aggregates. */
    RowType rowType() {
        LogicalType always = new BigIntType(false);
        List<RowType.RowField> fields = new ArrayList<>(List.of(
                new RowType.RowField("entity", new VarCharType(false, VarCharType.MAX_LENGTH)),
                new RowType.RowField("event_timestamp", always),
                new RowType.RowField("last_event_time", always),
                new RowType.RowField("seq", always),
                new RowType.RowField("topic", VarCharType.STRING_TYPE),
                new RowType.RowField("partition", new IntType()),
                new RowType.RowField("offset", new BigIntType())));
        aggregates.forEach(a -> fields.add(new RowType.RowField(a.name(), a.type().logical)));
        return new RowType(false, fields);
    }
}
