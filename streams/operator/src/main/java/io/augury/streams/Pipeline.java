package io.augury.streams;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.dag.Transformation;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.transformations.SinkTransformation;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.DataTypeQueryable;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.util.OutputTag;

/** The steps of a feature group's job that SQL does not express; each takes and gives rows of table data. */
public final class Pipeline {
    /** Carries no rows: only the watermarks behind the windows. */
    private static final OutputTag<RowData> MARKS = new OutputTag<>("marks", InternalTypeInfo.of(ClockPublisher.ROW));

    /** The cut of a job that reads its log from the beginning. */
    static final long NO_CUT = Long.MIN_VALUE;

    private static final String SOURCE = " source";
    private static final String SEED = " seed" + SOURCE;
    private static final String CLOCK = " clock";
    private static final String DEDUP = " dedup";
    private static final String LOOKUP = " lookup";

    /** What the planner adds to a table's name in that of its sink. */
    private static final Pattern NUMBER = Pattern.compile("\\[\\d+]$");

    private Pipeline() {}

    /**
     * Gives a source's rows the log's time, without refused rows and duplicates.
     *
     * @param in the source's columns, then topic STRING, partition INT, offset BIGINT and the Kafka time
     * @param planJson name, partitions, event_id and event_time (indexes), dedup (none, partition or
     *     keyed), dedup_ms
     * @return the columns of {@code in}, then t BIGINT (ms)
     */
    public static DataStream<RowData> clock(DataStream<RowData> in, String planJson) {
        ClockPlan plan = ClockPlan.read(planJson);
        RowType row = rowType(in);
        List<RowType.RowField> fields = new ArrayList<>(row.getFields());
        fields.add(new RowType.RowField("t", new BigIntType(false)));
        RowType timed = new RowType(false, fields);
        InternalTypeInfo<RowData> type = InternalTypeInfo.of(timed);
        int readers = Math.min(in.getExecutionEnvironment().getParallelism(), plan.partitions());
        pin(in.getTransformation(), readers);
        source(in.getTransformation()).setName(plan.name() + SOURCE);
        SingleOutputStreamOperator<RowData> clocked =
                in.transform(plan.name() + CLOCK, type, new LogClock(plan, row)).setParallelism(readers);
        if (plan.dedup() != ClockPlan.Dedup.KEYED) {
            return clocked;
        }
        RowData.FieldGetter id = RowData.createFieldGetter(timed.getTypeAt(plan.eventId()), plan.eventId());
        return clocked.keyBy(data -> id.getFieldOrNull(data).toString(), Types.STRING)
                .process(new Deduplicate(timed, plan.dedupMs()), type)
                .name(plan.name() + DEDUP);
    }

    /**
     * Gives each event the newest values, by (ts, log order), that the log held before it under its key.
     *
     * @param in key STRING, event BOOLEAN (else a record that is looked up), ts and t (ms), topic STRING,
     *     partition INT, offset BIGINT, the looked up columns (NULL in events), the columns of the event
     * @param name of the step, unique in the job
     * @param columns how many columns are looked up
     * @return the events, in the columns of {@code in}
     */
    public static DataStream<RowData> lookup(DataStream<RowData> in, String name, int columns) {
        RowType row = rowType(in);
        int parallelism = parallelismOfClock(in.getTransformation());
        pin(in.getTransformation(), parallelism);
        return in.keyBy(data -> data.getString(Lookup.KEY).toString(), Types.STRING)
                .process(new Lookup(row, columns), InternalTypeInfo.of(row))
                .name(name + LOOKUP);
    }

    /**
     * Adds a seed to a group's events: what a topic holds when the job is first started.
     *
     * @param events as {@link #windows} takes them; the seed's records have their columns, the arguments
     *     named a0, a1 and so on
     * @param label the group's
     * @param topic of the seed, records in {@code augury-avro}
     * @param registry the registry's base address
     * @param kafka the properties of the Kafka client, its bootstrap servers among them
     */
    public static DataStream<RowData> seeded(
            DataStream<RowData> events, String label, String topic, String registry, Map<String, String> kafka) {
        Properties properties = new Properties();
        properties.putAll(kafka);
        List<RowType.RowField> fields = new ArrayList<>(rowType(events).getFields());
        for (int i = WindowsPlan.ARGUMENTS; i < fields.size(); i++) {
            fields.set(i, new RowType.RowField("a" + (i - WindowsPlan.ARGUMENTS), fields.get(i).getType()));
        }
        AvroRows records = new AvroRows(new RowType(false, fields), events.getType(), registry, Map.of());
        KafkaSource<RowData> seed = KafkaSource.<RowData>builder()
                .setProperties(properties)
                .setTopics(topic)
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setValueOnlyDeserializer(records)
                .build();
        return events.union(events.getExecutionEnvironment()
                .fromSource(
                        new EndingSource<>(seed), WatermarkStrategy.noWatermarks(), label + SEED, events.getType()));
    }

    /**
     * Computes a group's rows.
     *
     * @param in entity STRING, ts, t (BIGINT of ms or timestamps), topic STRING, partition INT, offset
     *     BIGINT, then the plan's arguments
     * @param planJson the group's plan
     */
    public static Outputs windows(DataStream<RowData> in, String planJson) {
        return windows(in, planJson, NO_CUT);
    }

    /**
     * Computes a group's rows from a cut on.
     *
     * @param in as above; the events before the cut come in the order of the log for each entity, and the
     *     watermark does not reach the cut before the last of them
     * @param planJson the group's plan
     * @param cut the T (ms) from which on rows are emitted
     */
    public static Outputs windows(DataStream<RowData> in, String planJson, long cut) {
        WindowsPlan plan = WindowsPlan.read(planJson);
        RowType row = rowType(in);
        plan.check(row);
        String label = plan.label();
        int parallelism = parallelismOfClock(in.getTransformation());
        pin(in.getTransformation(), parallelism);
        SingleOutputStreamOperator<RowData> accepted = in.process(new Refusals(plan, row), InternalTypeInfo.of(row))
                .name(label + " refusals")
                .setParallelism(parallelism);
        SingleOutputStreamOperator<RowData> rows = accepted.keyBy(data -> data.getString(0).toString(), Types.STRING)
                .process(new Windows(plan, row, cut), InternalTypeInfo.of(plan.rowType()))
                .name(label + " windows");
        SingleOutputStreamOperator<RowData> clocks = rows.getSideOutput(MARKS)
                .transform(label + " clocks", InternalTypeInfo.of(ClockPublisher.ROW), new ClockPublisher(plan))
                .setParallelism(1);
        return new Outputs(rows, accepted.getSideOutput(Refusals.REFUSED), clocks);
    }

    /**
     * Gives the steps of a job the uids by which their states are found again. Flink would make them up out of
     * the whole graph, so that a step more or less in the SQL would part all others from their states. A uid
     * tells the form of the state too: who changes what a step writes raises its format in streams/state.py.
     *
     * @param label the group's, with which the names of its steps begin
     * @param uids by the steps' names; a sink is named after its table
     */
    public static void identify(StreamExecutionEnvironment job, String label, Map<String, String> uids) {
        Set<String> missing = new TreeSet<>(uids.keySet());
        job.getTransformations().stream()
                .flatMap(step -> step.getTransitivePredecessors().stream())
                .distinct()
                .forEach(step -> {
                    String name = step instanceof SinkTransformation<?, ?>
                            ? label + " " + NUMBER.matcher(step.getName()).replaceFirst("") + " sink"
                            : step.getName();
                    if (uids.containsKey(name)) {
                        step.setUid(uids.get(name));
                        missing.remove(name);
                    }
                });
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException(
                    "a step that has a uid is in the job; its state would not be found again (found no " + missing + ")");
        }
    }

    private static Transformation<?> source(Transformation<?> step) {
        return step.getInputs().isEmpty() ? step : source(step.getInputs().get(0));
    }

    /** Tells whether the transformation is one that {@link #clock} or {@link #lookup} gave. */
    private static boolean clocked(Transformation<?> step) {
        return Stream.of(CLOCK, DEDUP, LOOKUP).anyMatch(step.getName()::endsWith);
    }

    /**
     * Gives all steps from the source or the clock down to {@code step} one parallelism: between steps of
     * different ones Flink deals rows out in turn, which would tear a partition's rows apart.
     */
    private static void pin(Transformation<?> step, int parallelism) {
        if (!clocked(step)) {
            step.setParallelism(parallelism);
            step.getInputs().forEach(input -> pin(input, parallelism));
        }
    }

    private static int parallelismOfClock(Transformation<?> step) {
        if (clocked(step)) {
            return step.getParallelism();
        }
        return step.getInputs().stream()
                .mapToInt(Pipeline::parallelismOfClock)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "windows stand behind a clock; rows would have no T (found " + step.getName() + ")"));
    }

    private static RowType rowType(DataStream<RowData> stream) {
        if (stream.getType() instanceof DataTypeQueryable typed) {
            DataType type = typed.getDataType();
            if (type.getLogicalType() instanceof RowType row) {
                return row;
            }
        }
        throw new IllegalArgumentException("a stream of table rows knows its columns; the plan cannot be bound to it (found "
                + stream.getType() + ")");
    }
}
