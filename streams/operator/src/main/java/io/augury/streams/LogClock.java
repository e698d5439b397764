package io.augury.streams;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.utils.JoinedRowData;
import org.apache.flink.table.types.logical.RowType;

/**
 * Gives each row of a source the log's time T: the running maximum of its partition's Kafka times.
 *
 * <p>Input: the source's columns, then topic, partition, offset, Kafka time. Output: the same and T (BIGINT,
 * ms), which is the record's timestamp too. Every row moves the clock; rows without an event id or a valid
 * event time, and duplicates within a partition, go no further. Chained behind the source, so that a
 * partition's rows come in its order.
 */
final class LogClock extends AbstractStreamOperator<RowData> implements OneInputStreamOperator<RowData, RowData> {
    private static final long serialVersionUID = 1L;

    private record Place(String topic, int partition) {}

    private final ClockPlan plan;
    private final Times kafkaTime;
    private final Times eventTime;
    private final RowData.FieldGetter eventId;
    private final int place;

    private transient Map<Place, PartitionClock> clocks;
    /** What the last checkpoint tells of partitions, until a row shows that a partition is read here. */
    private transient Map<Place, PartitionClock> restored;

    private transient ListState<Tuple3<String, Integer, Long>> times;
    private transient ListState<Tuple4<String, Integer, String, Long>> ids;

    LogClock(ClockPlan plan, RowType row) {
        this.plan = plan;
        place = row.getFieldCount() - 4;
        kafkaTime = Times.at(row, place + 3);
        eventTime = Times.at(row, plan.eventTime());
        eventId = RowData.createFieldGetter(row.getTypeAt(plan.eventId()), plan.eventId());
    }

    @Override
    public void processElement(StreamRecord<RowData> element) throws Exception {
        RowData row = element.getValue();
        Place at = new Place(row.getString(place).toString(), row.getInt(place + 1));
        PartitionClock clock = clocks.get(at);
        if (clock == null) {
            clock = restored.containsKey(at) ? restored.remove(at) : new PartitionClock();
            clocks.put(at, clock);
        }
        long t = clock.advance(kafkaTime.applyAsLong(row));
        if (row.isNullAt(plan.eventId()) || row.isNullAt(plan.eventTime())) {
            return;
        }
        long ts = eventTime.applyAsLong(row);
        if (ts < plan.minTime() || ts > plan.maxTime()) {
            return;
        }
        if (plan.dedup() == ClockPlan.Dedup.PARTITION
                && clock.duplicate(eventId.getFieldOrNull(row).toString(), plan.dedupMs())) {
            return;
        }
        output.collect(new StreamRecord<>(new JoinedRowData(row, GenericRowData.of(t)), t));
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        times = context.getOperatorStateStore()
                .getUnionListState(new ListStateDescriptor<>(
                        "times", TypeInformation.of(new TypeHint<Tuple3<String, Integer, Long>>() {})));
        ids = context.getOperatorStateStore()
                .getUnionListState(new ListStateDescriptor<>(
                        "ids", TypeInformation.of(new TypeHint<Tuple4<String, Integer, String, Long>>() {})));
        clocks = new HashMap<>();
        restored = new HashMap<>();
        for (Tuple3<String, Integer, Long> time : times.get()) {
            restored.computeIfAbsent(new Place(time.f0, time.f1), none -> new PartitionClock())
                    .advance(time.f2);
        }
        List<Tuple4<String, Integer, String, Long>> seen = new ArrayList<>();
        ids.get().forEach(seen::add);
        seen.sort((a, b) -> Long.compare(a.f3, b.f3));
        seen.forEach(id -> restored.get(new Place(id.f0, id.f1)).saw(id.f2, id.f3));
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        times.clear();
        ids.clear();
        write(clocks);
        // A partition that nobody has read since the restore must not be forgotten: one subtask keeps it.
        if (getRuntimeContext().getTaskInfo().getIndexOfThisSubtask() == 0) {
            write(restored);
        }
    }

    private void write(Map<Place, PartitionClock> from) throws Exception {
        for (Map.Entry<Place, PartitionClock> entry : from.entrySet()) {
            Place at = entry.getKey();
            times.add(Tuple3.of(at.topic(), at.partition(), entry.getValue().time()));
            for (Map.Entry<String, Long> id : entry.getValue().ids().entrySet()) {
                ids.add(Tuple4.of(at.topic(), at.partition(), id.getKey(), id.getValue()));
            }
        }
    }
}
