package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.state.rocksdb.EmbeddedRocksDBStateBackend;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.RowData;
import org.junit.jupiter.api.Test;

/** Random streams, against rows that are recomputed from all events by the definition of a window. */
class WindowsReferenceTest {
    private static final int STREAMS = Integer.getInteger("streams", 300);
    private static final String[] TYPES = {"bigint", "double", "boolean", "string"};
    private static final String[] TEXTS = {"", "v", "w", "ü", "\uffee", "😀"};

    private record Arrived(String entity, long ts, long t, int partition, long offset, Object[] values) {}

    private record Spec(Operation op, int argument, int window, ValueType type, Map<String, Object> options) {}

    private final List<String> types = new ArrayList<>();
    private final List<Double> bounds = new ArrayList<>();
    private final List<long[]> windows = new ArrayList<>();
    private final List<Spec> specs = new ArrayList<>();

    private String randomPlan(Random random, String order) {
        types.clear();
        bounds.clear();
        windows.clear();
        specs.clear();
        for (int i = 0; i < 1 + random.nextInt(4); i++) {
            types.add(TYPES[random.nextInt(TYPES.length)]);
            bounds.add(random.nextBoolean() ? 1e9 : 1e12);
        }
        for (int i = 0; i < 1 + random.nextInt(3); i++) {
            long hop = new long[] {1, 10, 10, 25}[random.nextInt(4)];
            long[] window = {hop * (1 + random.nextInt(12)), hop};
            if (windows.stream().noneMatch(w -> w[0] == window[0] && w[1] == window[1])) {
                windows.add(window);
            }
        }
        int aggregates = 1 + random.nextInt(10);
        while (specs.size() < aggregates) {
            Operation op = Operation.values()[random.nextInt(Operation.values().length)];
            int argument = random.nextInt(types.size());
            ValueType type = ValueType.of(types.get(argument));
            if (op.takes.contains(type) && (op != Operation.SKEWNESS || bounds.get(argument) == 1e9)) {
                boolean events = (op == Operation.COUNT || op == Operation.DECAYED_COUNT) && random.nextBoolean();
                int window = op.parts.contains(Operation.Part.DECAYED) ? -1 : random.nextInt(windows.size() + 1) - 1;
                specs.add(new Spec(op, events ? -1 : argument, window, op.result(type), randomOptions(random, op)));
            }
        }
        StringBuilder json = new StringBuilder("{\"group\":\"g\",\"version\":1,\"bound\":1e12,\"scale\":6,\"order\":\"" + order + "\"");
        json.append(",\"arguments\":[");
        for (int i = 0; i < types.size(); i++) {
            json.append(i == 0 ? "" : ",").append("{\"name\":\"a").append(i).append("\",\"type\":\"").append(types.get(i))
                    .append("\",\"bound\":").append(bounds.get(i)).append("}");
        }
        json.append("],\"windows\":[");
        for (int i = 0; i < windows.size(); i++) {
            json.append(i == 0 ? "" : ",").append("{\"size\":").append(windows.get(i)[0]).append(",\"hop\":").append(windows.get(i)[1]).append("}");
        }
        json.append("],\"aggregates\":[");
        for (int i = 0; i < specs.size(); i++) {
            Spec s = specs.get(i);
            json.append(i == 0 ? "" : ",").append("{\"name\":\"f").append(i).append("\",\"op\":\"").append(s.op.name().toLowerCase(Locale.ROOT))
                    .append("\",\"argument\":").append(s.argument < 0 ? "null" : s.argument)
                    .append(",\"window\":").append(s.window < 0 ? "null" : s.window)
                    .append(",\"type\":\"").append(s.type.name().toLowerCase(Locale.ROOT)).append("\"");
            if (!s.options.isEmpty()) {
                json.append(s.options.entrySet().stream()
                        .map(o -> "\"" + o.getKey() + "\":" + o.getValue())
                        .collect(Collectors.joining(",", ",\"options\":{", "}")));
            }
            json.append("}");
        }
        return json.append("]}").toString();
    }

    private static Map<String, Object> randomOptions(Random random, Operation op) {
        Map<String, Object> options = new TreeMap<>();
        for (String name : op.options) {
            switch (name) {
                case "limit" -> options.put(name, random.nextInt(4) == 0 ? 1000 : 1 + random.nextInt(4));
                case "half_life" -> options.put(name, new int[] {1, 3, 50, 2000}[random.nextInt(4)]);
                case "q" -> options.put(name, random.nextInt(3) == 0 ? random.nextInt(2) : random.nextDouble());
                case "nth" -> {
                    if (random.nextInt(3) > 0) {
                        options.put(name, 1 + random.nextInt(4));
                    }
                }
                default -> {
                    if (random.nextBoolean()) {
                        options.put(name, random.nextBoolean());
                    }
                }
            }
        }
        return options;
    }

    private List<Arrived> randomLog(Random random, int partitions) {
        List<Arrived> log = new ArrayList<>();
        long[] clocks = new long[partitions];
        Arrays.fill(clocks, random.nextInt(400) - 200);
        long[] offsets = new long[partitions];
        for (int n = random.nextInt(60); n >= 0; n--) {
            int p = random.nextInt(partitions);
            clocks[p] += random.nextInt(4) == 0 ? random.nextInt(200) : random.nextInt(12);
            long ts = switch (random.nextInt(5)) {
                case 0 -> clocks[p] - random.nextInt(300);
                case 1 -> clocks[p] + random.nextInt(50);
                case 2 -> clocks[p] - random.nextInt(20);
                default -> clocks[p];
            };
            Object[] values = new Object[types.size()];
            for (int i = 0; i < values.length; i++) {
                values[i] = random.nextInt(5) == 0 ? null : switch (types.get(i)) {
                    case "bigint" -> (long) random.nextInt(9) - 4;
                    case "double" -> switch (random.nextInt(4)) {
                        case 0 -> -0.0;
                        case 1 -> random.nextInt(5) - 2.5;
                        default -> (random.nextDouble() - 0.5) * Math.pow(10, random.nextInt(bounds.get(i) == 1e9 ? 10 : 13));
                    };
                    case "boolean" -> random.nextBoolean();
                    default -> TEXTS[random.nextInt(TEXTS.length)];
                };
            }
            log.add(new Arrived("e" + random.nextInt(2), ts, clocks[p], p, offsets[p]++, values));
        }
        return log;
    }

    private static long floor(long ts, long hop) {
        return Math.floorDiv(ts, hop) * hop;
    }

    /** All rows of one entity up to the clock {@code end}; {@code events} are in log order. */
    private List<String> expected(String entity, List<Arrived> events, long end) {
        List<String> rows = new ArrayList<>();
        TreeSet<Long> boundaries = new TreeSet<>();
        for (int n = 0; n <= events.size(); n++) {
            long now = n < events.size() ? events.get(n).t : end;
            while (!boundaries.isEmpty() && boundaries.first() <= now) {
                rows.add(rowAt(entity, events.subList(0, n), boundaries.pollFirst(), rows.size() + 1, null));
            }
            if (n < events.size()) {
                Arrived event = events.get(n);
                long ts = Math.min(event.ts, event.t);
                for (long[] w : windows) {
                    if (floor(ts, w[1]) >= floor(now - w[0], w[1])) {
                        boundaries.add(floor(ts, w[1]) + w[1] + w[0]);
                    }
                }
                rows.add(rowAt(entity, events.subList(0, n + 1), now, rows.size() + 1, event));
            }
        }
        return rows;
    }

    private String rowAt(String entity, List<Arrived> arrived, long now, int seq, Arrived cause) {
        long newest = arrived.stream().mapToLong(e -> Math.min(e.ts, e.t)).max().orElseThrow();
        StringBuilder row = new StringBuilder(entity + " " + now + " " + newest + " " + seq + " "
                + (cause == null ? "- - -" : "landed " + cause.partition + " " + cause.offset));
        for (Spec spec : specs) {
            List<Arrived> inside = arrived.stream()
                    .filter(e -> spec.window < 0 || floor(now - windows.get(spec.window)[0], windows.get(spec.window)[1]) <= Math.min(e.ts, e.t))
                    .toList();
            Object value = spec.op.parts.contains(Operation.Part.DECAYED) ? decayed(spec, inside, now) : feature(spec, inside);
            row.append(" ").append(Objects.requireNonNullElse(value, "-"));
        }
        return row.toString();
    }

    private Object feature(Spec spec, List<Arrived> inside) {
        if (spec.argument < 0) {
            return (long) inside.size();
        }
        List<Object> values = inside.stream()
                .filter(e -> e.values[spec.argument] != null)
                .sorted(Comparator.comparingLong(e -> Math.min(e.ts, e.t))) // stable: the log's order decides ties
                .map(e -> e.values[spec.argument] instanceof Double d ? (Object) (d + 0.0) : e.values[spec.argument])
                .toList();
        return Definitions.value(spec.op, spec.options, types.get(spec.argument).equals("double"), values);
    }

    /** As {@code features/decay.py} spells it out, in {@link BigInteger}s. */
    private Object decayed(Spec spec, List<Arrived> arrived, long now) {
        long halfLife = ((Number) spec.options.get("half_life")).longValue();
        boolean counted = spec.op == Operation.DECAYED_COUNT;
        Map<Long, BigInteger> sums = new TreeMap<>();
        for (Arrived e : arrived) {
            long ts = Math.min(e.ts, e.t);
            long age = Math.floorDiv(e.t, halfLife) - Math.floorDiv(ts, halfLife);
            if (age <= 63 && (spec.argument < 0 || e.values[spec.argument] != null)) {
                BigInteger units = counted ? BigInteger.ONE : Definitions.units(e.values[spec.argument]);
                BigInteger weight = BigInteger.valueOf(Decay.WEIGHTS[(int) (Math.floorMod(ts, halfLife) * 1024 / halfLife)]);
                BigInteger added = units.multiply(weight).shiftLeft(16).shiftRight((int) age);
                sums.merge(Math.floorDiv(e.t, halfLife), added, BigInteger::add);
            }
        }
        BigInteger total = BigInteger.ZERO;
        for (Map.Entry<Long, BigInteger> sum : sums.entrySet()) {
            long age = Math.floorDiv(now, halfLife) - sum.getKey();
            total = age > 63 ? total : total.add(sum.getValue().shiftRight((int) age));
        }
        boolean floating = !counted && types.get(spec.argument).equals("double");
        return Int128Test.asDouble(total) / Math.pow(2, 36) / (floating ? 1e6 : 1);
    }

    private Map<String, List<String>> byEntity(List<String> rows) {
        Map<String, List<String>> grouped = new TreeMap<>();
        rows.forEach(row -> grouped.computeIfAbsent(row.substring(0, row.indexOf(' ')), e -> new ArrayList<>()).add(row));
        return grouped;
    }

    /** Runs a log with the watermark and restores at random places, the last watermark being {@code end}. */
    private List<String> run(Random random, WindowsPlan plan, List<Arrived> arrivals, long end, boolean rocks, long cut) throws Exception {
        StateBackend backend = rocks ? new EmbeddedRocksDBStateBackend() : null;
        List<String> rows = new ArrayList<>();
        KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> harness = Operators.windows(plan, backend, cut);
        harness.open();
        try {
            for (int i = 0; i < arrivals.size(); i++) {
                Arrived e = arrivals.get(i);
                Object[] fields = new Object[6 + e.values.length];
                System.arraycopy(new Object[] {e.entity, e.ts, e.t, Operators.TOPIC, e.partition, e.offset}, 0, fields, 0, 6);
                System.arraycopy(e.values, 0, fields, 6, e.values.length);
                harness.processElement(Operators.row(fields), e.t);
                long safe = arrivals.subList(i + 1, arrivals.size()).stream().mapToLong(Arrived::t).min().orElse(end + 1) - 1;
                if (random.nextInt(3) == 0) {
                    harness.processWatermark(Math.min(safe, end));
                }
                if (random.nextInt(12) == 0) {
                    OperatorSubtaskState state = harness.snapshot(i, i);
                    rows.addAll(Operators.taken(harness));
                    harness.close();
                    harness = Operators.windows(plan, backend, cut);
                    harness.initializeState(state);
                    harness.open();
                }
            }
            harness.processWatermark(end);
            rows.addAll(Operators.taken(harness));
        } finally {
            harness.close();
        }
        return rows;
    }

    private void compare(int seed, boolean rocks) throws Exception {
        Random random = new Random(seed);
        boolean inLogOrder = random.nextBoolean();
        String json = randomPlan(random, inLogOrder ? "log" : "arrival");
        List<Arrived> arrivals = randomLog(random, inLogOrder ? 3 : 1);
        long end = arrivals.stream().mapToLong(Arrived::t).max().orElseThrow() + random.nextInt(400);
        List<Arrived> log = new ArrayList<>(arrivals);
        log.sort(Comparator.comparingLong(Arrived::t).thenComparing(Arrived::partition).thenComparing(Arrived::offset));
        Map<String, List<String>> expected = new TreeMap<>();
        for (String entity : new TreeSet<>(log.stream().map(Arrived::entity).toList())) {
            expected.put(entity, expected(entity, log.stream().filter(e -> e.entity.equals(entity)).toList(), end));
        }
        assertEquals(expected, byEntity(run(random, WindowsPlan.read(json), arrivals, end, rocks, Pipeline.NO_CUT)), "seed " + seed + " " + json);
        if (inLogOrder) {
            // Whatever pace the partitions have.
            List<Arrived> shuffled = new ArrayList<>(arrivals);
            Collections.shuffle(shuffled, random);
            assertEquals(expected, byEntity(run(random, WindowsPlan.read(json), shuffled, end, rocks, Pipeline.NO_CUT)), "seed " + seed + " " + json);
        }
    }

    /** History and stream come at once, history in the order of the log: the rows are those from the cut on. */
    private void handOver(int seed, boolean rocks) throws Exception {
        Random random = new Random(seed);
        boolean inLogOrder = random.nextBoolean();
        String json = randomPlan(random, inLogOrder ? "log" : "arrival");
        List<Arrived> arrivals = randomLog(random, inLogOrder ? 3 : 1);
        long last = arrivals.stream().mapToLong(Arrived::t).max().orElseThrow();
        long end = last + 1 + random.nextInt(400);
        List<Arrived> log = new ArrayList<>(arrivals);
        log.sort(Comparator.comparingLong(Arrived::t).thenComparing(Arrived::partition).thenComparing(Arrived::offset));
        long first = log.get(0).t;
        long cut = first + random.nextInt((int) (last - first) + 2);
        List<Arrived> history = log.stream().filter(e -> e.t < cut).toList();
        List<Arrived> live = arrivals.stream().filter(e -> e.t >= cut).collect(Collectors.toCollection(ArrayList::new));
        if (inLogOrder) {
            Collections.shuffle(live, random);
        }
        List<Arrived> both = new ArrayList<>();
        for (int h = 0, l = 0; h < history.size() || l < live.size(); ) {
            boolean past = l == live.size() || h < history.size() && random.nextInt(3) > 0;
            both.add(past ? history.get(h++) : live.get(l++));
        }
        Map<String, List<String>> expected = new TreeMap<>();
        for (String entity : new TreeSet<>(log.stream().map(Arrived::entity).toList())) {
            List<String> rows = expected(entity, log.stream().filter(e -> e.entity.equals(entity)).toList(), end).stream()
                    .filter(row -> Long.parseLong(row.split(" ")[1]) >= cut)
                    .toList();
            if (!rows.isEmpty()) {
                expected.put(entity, rows);
            }
        }
        List<String> found = run(random, WindowsPlan.read(json), both, end, rocks, cut);
        assertEquals(expected, byEntity(found), "seed " + seed + ", cut " + cut + " " + json);
    }

    @Test
    void aStreamGoesOnFromHistory() throws Exception {
        for (int seed = 20_000; seed < 20_000 + STREAMS; seed++) {
            handOver(seed, false);
        }
        for (int seed = 30_000; seed < 30_020; seed++) {
            handOver(seed, true);
        }
    }

    @Test
    void rowsAreThoseOfTheDefinition() throws Exception {
        for (int seed = 0; seed < STREAMS; seed++) {
            compare(seed, false);
        }
    }

    @Test
    void rocksGivesTheSameRows() throws Exception {
        for (int seed = 10_000; seed < 10_020; seed++) {
            compare(seed, true);
        }
    }
}
