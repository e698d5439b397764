package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericData;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumWriter;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.avro.shaded.org.apache.avro.io.BinaryEncoder;
import org.apache.flink.avro.shaded.org.apache.avro.io.EncoderFactory;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Against Avro's own writer, and an HTTP server that answers as a registry does. */
class AvroRecordsTest {
    private static final int ID = 0x01020304;
    private static final String SCHEMA = "{\"type\":\"record\",\"name\":\"row\",\"fields\":["
            + "{\"name\":\"entity\",\"type\":\"string\"},"
            + "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},"
            + "{\"name\":\"partition\",\"type\":[\"null\",\"int\"],\"default\":null},"
            + "{\"name\":\"n\",\"type\":[\"long\",\"null\"]},"
            + "{\"name\":\"x\",\"type\":[\"null\",\"double\"]},"
            + "{\"name\":\"late\",\"type\":[\"null\",\"boolean\"]},"
            + "{\"name\":\"note\",\"type\":[\"null\",\"string\"]},"
            + "{\"name\":\"payload\",\"type\":[\"null\",\"bytes\"]}]}";
    private static final RowType COLUMNS = (RowType) DataTypes.ROW(
                    DataTypes.FIELD("entity", DataTypes.STRING().notNull()),
                    DataTypes.FIELD("at", DataTypes.TIMESTAMP(3).notNull()),
                    DataTypes.FIELD("partition", DataTypes.INT()),
                    DataTypes.FIELD("n", DataTypes.BIGINT()),
                    DataTypes.FIELD("x", DataTypes.DOUBLE()),
                    DataTypes.FIELD("late", DataTypes.BOOLEAN()),
                    DataTypes.FIELD("note", DataTypes.STRING()),
                    DataTypes.FIELD("payload", DataTypes.BYTES()))
            .getLogicalType();

    private final List<String> asked = new ArrayList<>();
    private HttpServer registry;

    @BeforeEach
    void start() throws IOException {
        registry = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        registry.createContext("/", exchange -> {
            asked.add(exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath());
            exchange.getRequestBody().readAllBytes();
            byte[] answer = ("{\"id\":" + ID + "}").getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/vnd.schemaregistry.v1+json");
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        registry.start();
    }

    @AfterEach
    void stop() {
        registry.stop(0);
    }

    private AvroRecords encoder(RowType columns) throws IOException {
        String url = "http://127.0.0.1:" + registry.getAddress().getPort();
        AvroRecords encoder = new AvroRecords(columns, url, "rows-value", SCHEMA, Map.of());
        encoder.open(null);
        return encoder;
    }

    private static byte[] expected(Object... fields) throws IOException {
        Schema schema = new Schema.Parser().parse(SCHEMA);
        GenericRecord record = new GenericData.Record(schema);
        for (int i = 0; i < fields.length; i++) {
            record.put(i, fields[i]);
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(ByteBuffer.allocate(5).put((byte) 0).putInt(ID).array());
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
        encoder.flush();
        return bytes.toByteArray();
    }

    private static GenericRowData row(Object... fields) {
        return GenericRowData.of(fields);
    }

    @Test
    void recordsAreThoseOfAvrosOwnWriter() throws Exception {
        AvroRecords encoder = encoder(COLUMNS);
        byte[] payload = {1, -1, 0};
        assertArrayEquals(
                expected("Zoë", -1L, 7, Long.MIN_VALUE, -0.0, true, "", ByteBuffer.wrap(payload)),
                encoder.serialize(row(
                        StringData.fromString("Zoë"), TimestampData.fromEpochMillis(-1), 7, Long.MIN_VALUE, -0.0, true,
                        StringData.fromString(""), payload)));
        assertArrayEquals(
                expected("a", 1_700_000_000_000L, null, null, null, null, null, null),
                encoder.serialize(row(
                        StringData.fromString("a"), TimestampData.fromEpochMillis(1_700_000_000_000L), null, null, null, null,
                        null, null)));
    }

    @Test
    void theSchemaIsRegisteredOnceHoweverManyRowsThereAre() throws Exception {
        AvroRecords encoder = encoder(COLUMNS);
        for (int i = 0; i < 3; i++) {
            encoder.serialize(row(StringData.fromString("a"), TimestampData.fromEpochMillis(i), null, null, null, null, null, null));
        }
        assertEquals(List.of("POST /subjects/rows-value/versions"), asked);
    }

    @Test
    void nullInAFieldThatHasNoneIsRefused() throws Exception {
        AvroRecords encoder = encoder(COLUMNS);
        String told = assertThrows(
                        IllegalArgumentException.class,
                        () -> encoder.serialize(row(StringData.fromString("a"), null, null, null, null, null, null, null)))
                .getMessage();
        assertTrue(told.contains("at of rows-value, found NULL"), told);
    }

    @Test
    void aTableThatIsNotTheSchemasIsRefused() {
        RowType fewer = new RowType(COLUMNS.getFields().subList(0, 3));
        assertThrows(IllegalArgumentException.class, () -> encoder(fewer));
        List<RowType.RowField> fields = new ArrayList<>(COLUMNS.getFields());
        fields.set(3, new RowType.RowField("n", DataTypes.DOUBLE().getLogicalType()));
        String told = assertThrows(IllegalArgumentException.class, () -> encoder(new RowType(fields))).getMessage();
        assertTrue(told.contains("n DOUBLE, found LONG"), told);
    }
}
