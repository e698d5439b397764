package io.augury.streams;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.io.BinaryEncoder;
import org.apache.flink.avro.shaded.org.apache.avro.io.EncoderFactory;
import org.apache.flink.formats.avro.registry.confluent.ConfluentSchemaRegistryCoder;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;

/**
 * Encodes {@code augury-avro}: the table's columns are the schema's fields, in its order.
 *
 * <p>Flink's own format builds a record of objects and asks the registry's client for the schema's id, by
 * its hash, for each row; here the schema is registered once, and a row's fields are written as they are.
 */
final class AvroRecords implements SerializationSchema<RowData> {
    private static final long serialVersionUID = 1L;

    private static final int SCHEMAS = 10;

    /** Writes a value that is there. */
    private interface Writer {
        void write(RowData row, int at, BinaryEncoder to) throws IOException;
    }

    private record Field(String name, Writer value, int nullBranch, int valueBranch) {}

    private final RowType rowType;
    private final String url;
    private final String subject;
    private final String schema;
    private final Map<String, String> properties;

    private transient Field[] fields;
    private transient byte[] header;
    private transient ByteArrayOutputStream bytes;
    private transient BinaryEncoder encoder;

    AvroRecords(RowType rowType, String url, String subject, String schema, Map<String, String> properties) {
        this.rowType = rowType;
        this.url = url;
        this.subject = subject;
        this.schema = schema;
        this.properties = new HashMap<>(properties);
    }

    @Override
    public void open(InitializationContext context) throws IOException {
        Schema record = new Schema.Parser().parse(schema);
        fields = fields(record, rowType);
        bytes = new ByteArrayOutputStream();
        encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        new ConfluentSchemaRegistryCoder(subject, new CachedSchemaRegistryClient(url, SCHEMAS, properties))
                .writeSchema(record, bytes);
        header = bytes.toByteArray();
    }

    @Override
    public byte[] serialize(RowData row) {
        bytes.reset();
        bytes.writeBytes(header);
        try {
            for (int i = 0; i < fields.length; i++) {
                write(row, i);
            }
            encoder.flush();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return bytes.toByteArray();
    }

    private void write(RowData row, int at) throws IOException {
        Field field = fields[at];
        if (row.isNullAt(at)) {
            if (field.nullBranch() < 0) {
                throw new IllegalArgumentException("a field without a null branch has a value; the record could not be read ("
                        + field.name() + " of " + subject + ", found NULL)");
            }
            encoder.writeIndex(field.nullBranch());
            return;
        }
        if (field.valueBranch() >= 0) {
            encoder.writeIndex(field.valueBranch());
        }
        field.value().write(row, at, encoder);
    }

    private static Field[] fields(Schema record, RowType rowType) {
        List<String> names = record.getFields().stream().map(Schema.Field::name).toList();
        if (!names.equals(rowType.getFieldNames())) {
            throw new IllegalArgumentException("a table's columns are its schema's fields; values would stand in other fields ("
                    + rowType.getFieldNames() + ", found " + names + ")");
        }
        List<Field> fields = new ArrayList<>();
        for (Schema.Field field : record.getFields()) {
            LogicalType type = rowType.getTypeAt(field.pos());
            boolean union = field.schema().isUnion();
            List<Schema> branches = union ? field.schema().getTypes() : List.of(field.schema());
            int value = 0;
            while (value < branches.size() - 1 && branches.get(value).getType() == Schema.Type.NULL) {
                value++;
            }
            Integer nothing = union ? field.schema().getIndexNamed("null") : null;
            Writer writer = writer(field.name(), type, branches.get(value).getType());
            fields.add(new Field(field.name(), writer, nothing == null ? -1 : nothing, union ? value : -1));
        }
        return fields.toArray(Field[]::new);
    }

    private static Writer writer(String name, LogicalType type, Schema.Type as) {
        return switch (type.getTypeRoot()) {
            case VARCHAR -> checked(name, type, as, Schema.Type.STRING, (row, at, to) -> {
                byte[] text = row.getString(at).toBytes();
                to.writeBytes(text); // a string has the form of its bytes
            });
            case VARBINARY -> checked(name, type, as, Schema.Type.BYTES, (row, at, to) -> to.writeBytes(row.getBinary(at)));
            case BOOLEAN -> checked(name, type, as, Schema.Type.BOOLEAN, (row, at, to) -> to.writeBoolean(row.getBoolean(at)));
            case INTEGER -> checked(name, type, as, Schema.Type.INT, (row, at, to) -> to.writeInt(row.getInt(at)));
            case BIGINT -> checked(name, type, as, Schema.Type.LONG, (row, at, to) -> to.writeLong(row.getLong(at)));
            case DOUBLE -> checked(name, type, as, Schema.Type.DOUBLE, (row, at, to) -> to.writeDouble(row.getDouble(at)));
            case TIMESTAMP_WITHOUT_TIME_ZONE -> {
                int precision = LogicalTypeChecks.getPrecision(type);
                yield checked(name, type, as, Schema.Type.LONG, (row, at, to) ->
                        to.writeLong(row.getTimestamp(at, precision).getMillisecond()));
            }
            default -> throw unlike(name, type, as);
        };
    }

    private static Writer checked(String name, LogicalType type, Schema.Type as, Schema.Type expected, Writer writer) {
        if (as != expected) {
            throw unlike(name, type, as);
        }
        return writer;
    }

    private static IllegalArgumentException unlike(String name, LogicalType type, Schema.Type as) {
        return new IllegalArgumentException("a column is written as the Avro type of its own type; its values would not be read ("
                + name + " " + type + ", found " + as + ")");
    }
}
