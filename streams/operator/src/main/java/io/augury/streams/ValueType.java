package io.augury.streams;

import java.util.Arrays;
import java.util.Locale;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.BooleanType;
import org.apache.flink.table.types.logical.DoubleType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.VarCharType;

/** The type of an argument or a feature; each value can also be NULL. */
enum ValueType {
    BIGINT(new BigIntType()),
    DOUBLE(new DoubleType()),
    BOOLEAN(new BooleanType()),
    STRING(VarCharType.STRING_TYPE),
    /** Milliseconds since the epoch, which can only be counted. */
    TIMESTAMP(new BigIntType());

    final LogicalType logical;

    ValueType(LogicalType logical) {
        this.logical = logical;
    }

    static ValueType of(String name) {
        try {
            return valueOf(name.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException unknown) {
            throw new IllegalArgumentException(
                    "a plan's types are " + Arrays.toString(values()) + "; the job cannot start (found '" + name + "')");
        }
    }
}
