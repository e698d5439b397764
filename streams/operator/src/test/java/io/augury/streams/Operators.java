package io.augury.streams;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.streaming.api.operators.KeyedProcessOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarCharType;

/** Operators on Flink's harness, and rows as text. */
final class Operators {
    static final StringData TOPIC = StringData.fromString("landed");

    private Operators() {}

    static RowType inputType(WindowsPlan plan) {
        List<LogicalType> types = new ArrayList<>(List.of(
                VarCharType.STRING_TYPE,
                new BigIntType(),
                new BigIntType(),
                VarCharType.STRING_TYPE,
                new IntType(),
                new BigIntType()));
        plan.arguments().forEach(a -> types.add(a.type().logical));
        return RowType.of(types.toArray(LogicalType[]::new));
    }

    static KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> windows(
            WindowsPlan plan, StateBackend backend) throws Exception {
        return windows(plan, backend, Pipeline.NO_CUT);
    }

    static KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> windows(
            WindowsPlan plan, StateBackend backend, long cut) throws Exception {
        RowType type = inputType(plan);
        KeyedOneInputStreamOperatorTestHarness<String, RowData, RowData> harness =
                new KeyedOneInputStreamOperatorTestHarness<>(
                        new KeyedProcessOperator<>(new Windows(plan, type, cut)),
                        row -> row.getString(0).toString(),
                        Types.STRING);
        if (backend != null) {
            harness.setStateBackend(backend);
        }
        Configuration noGenericTypes = new Configuration();
        noGenericTypes.set(PipelineOptions.GENERIC_TYPES, false);
        harness.getExecutionConfig().configure(noGenericTypes, Operators.class.getClassLoader());
        harness.setup(InternalTypeInfo.of(plan.rowType()).toRowSerializer());
        return harness;
    }

    static RowData row(Object... fields) {
        return GenericRowData.of(Arrays.stream(fields)
                .map(f -> f instanceof String s ? StringData.fromString(s) : f)
                .toArray());
    }

    /** The rows put out since the last call, each as its fields joined by spaces. */
    static List<String> taken(OneInputStreamOperatorTestHarness<?, RowData> harness) {
        List<String> rows = new ArrayList<>();
        for (Object element : harness.getOutput()) {
            if (element instanceof StreamRecord<?> record) {
                rows.add(text((RowData) record.getValue()));
            } else if (!(element instanceof Watermark)) {
                throw new AssertionError(element);
            }
        }
        harness.getOutput().clear();
        return rows;
    }

    static String text(RowData row) {
        GenericRowData generic = (GenericRowData) row;
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < row.getArity(); i++) {
            text.append(i == 0 ? "" : " ").append(generic.getField(i) == null ? "-" : generic.getField(i));
        }
        return text.toString();
    }
}
