package io.augury.streams;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Locale;
import org.apache.flink.table.data.StringData;
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

    /** Gives a field of a row from how {@link Event} holds a value that is no text. */
    Object field(long raw) {
        return switch (this) {
            case DOUBLE -> Double.longBitsToDouble(raw);
            case BOOLEAN -> raw != 0;
            default -> raw;
        };
    }

    /** Gives bytes whose unsigned order is that of the values; those of a text are its UTF-8. */
    byte[] encode(long raw) {
        return ByteBuffer.allocate(Long.BYTES).putLong(ordered(raw) ^ Long.MIN_VALUE).array();
    }

    /** Gives a field of a row from the bytes of {@link #encode}. */
    Object decode(byte[] encoded) {
        if (this == STRING) {
            return StringData.fromBytes(encoded);
        }
        return field(ordered(ByteBuffer.wrap(encoded).getLong() ^ Long.MIN_VALUE));
    }

    /** Turns a double's bits into a long of the same order, and back; zero has one sign, and NaN is refused. */
    private long ordered(long raw) {
        return this == DOUBLE ? raw ^ (raw >> 63 & Long.MAX_VALUE) : raw;
    }
}
