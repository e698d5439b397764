package io.augury.streams;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumReader;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.avro.shaded.org.apache.avro.io.BinaryDecoder;
import org.apache.flink.avro.shaded.org.apache.avro.io.DecoderFactory;
import org.apache.flink.formats.avro.AvroToRowDataConverters;
import org.apache.flink.formats.avro.AvroToRowDataConverters.AvroToRowDataConverter;
import org.apache.flink.formats.avro.registry.confluent.ConfluentSchemaRegistryCoder;
import org.apache.flink.formats.avro.typeutils.AvroSchemaConverter;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;

/** Decodes {@code augury-avro}: the writer's schema by its id, resolved to the table's columns. */
final class AvroRows implements DeserializationSchema<RowData> {
    private static final long serialVersionUID = 1L;

    private static final int HEADER = 5;
    private static final int SCHEMAS = 1000;

    private final RowType rowType;
    private final TypeInformation<RowData> produced;
    private final String url;
    private final Map<String, String> properties;
    /** Not Flink's older mapping: a timestamp-millis is read into a TIMESTAMP_LTZ(3), a TIMESTAMP(3) or a BIGINT. */
    private final AvroToRowDataConverter converter;

    private transient Schema columns;
    private transient ConfluentSchemaRegistryCoder registry;
    private transient Map<Integer, GenericDatumReader<GenericRecord>> readers;
    private transient BinaryDecoder decoder;

    AvroRows(RowType rowType, TypeInformation<RowData> produced, String url, Map<String, String> properties) {
        this.rowType = rowType;
        this.produced = produced;
        this.url = url;
        this.properties = new HashMap<>(properties);
        this.converter = AvroToRowDataConverters.createRowConverter(rowType, false);
    }

    @Override
    public void open(InitializationContext context) {
        columns = AvroSchemaConverter.convertToSchema(rowType.copy(false), false);
        registry = new ConfluentSchemaRegistryCoder(new CachedSchemaRegistryClient(url, SCHEMAS, properties));
        readers = new HashMap<>();
    }

    @Override
    public RowData deserialize(byte[] message) throws IOException {
        return read(message).orElseGet(() -> new GenericRowData(rowType.getFieldCount()));
    }

    private Optional<RowData> read(byte[] message) throws IOException {
        if (message == null || message.length < HEADER || message[0] != 0) {
            return Optional.empty();
        }
        GenericDatumReader<GenericRecord> reader = reader(message);
        if (reader == null) {
            return Optional.empty();
        }
        try {
            // A text's length may lie: passing over the bytes finds out before memory is asked for.
            GenericDatumReader.skip(reader.getSchema(), body(message));
            return Optional.of((RowData) converter.convert(reader.read(null, body(message))));
        } catch (IOException | RuntimeException undecodable) {
            // The bytes are here, so that no second try could read them.
            return Optional.empty();
        }
    }

    private BinaryDecoder body(byte[] message) {
        decoder = DecoderFactory.get().binaryDecoder(message, HEADER, message.length - HEADER, decoder);
        return decoder;
    }

    /** Gives the reader of the message's schema, or null if the registry answers that it has no such id. */
    private GenericDatumReader<GenericRecord> reader(byte[] message) throws IOException {
        int id = (message[1] & 0xff) << 24 | (message[2] & 0xff) << 16 | (message[3] & 0xff) << 8 | message[4] & 0xff;
        GenericDatumReader<GenericRecord> reader = readers.get(id);
        if (reader == null) {
            try {
                Schema written = registry.readSchema(new ByteArrayInputStream(message));
                reader = new GenericDatumReader<>(written, columns);
            } catch (IOException failure) {
                if (unknown(failure.getCause())) {
                    return null;
                }
                throw new IOException("the registry gives the schema of each record; the job waits for it to answer (" + url
                        + ", schema id " + id + ")", failure);
            }
            readers.put(id, reader);
        }
        return reader;
    }

    /** 404 with a registry's own code: another server at a wrong address gives none. */
    private static boolean unknown(Throwable cause) {
        return cause instanceof RestClientException answer
                && answer.getStatus() == 404
                && answer.getErrorCode() / 100 == 404;
    }

    @Override
    public boolean isEndOfStream(RowData row) {
        return false;
    }

    @Override
    public TypeInformation<RowData> getProducedType() {
        return produced;
    }
}
