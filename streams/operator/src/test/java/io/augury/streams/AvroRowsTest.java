package io.augury.streams;

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
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericData;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumWriter;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.avro.shaded.org.apache.avro.io.BinaryEncoder;
import org.apache.flink.avro.shaded.org.apache.avro.io.EncoderFactory;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Against an HTTP server that answers as a registry does, so that each kind of failure can be had. */
class AvroRowsTest {
    private static final String AT = "{\"name\":\"at\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}]}";
    private static final String OLD = "{\"type\":\"record\",\"name\":\"landed\",\"namespace\":\"augury\",\"fields\":["
            + "{\"name\":\"id\",\"type\":\"string\"}," + AT + ",{\"name\":\"delay\",\"type\":\"float\"}]}";
    private static final String NEW = "{\"type\":\"record\",\"name\":\"landed\",\"namespace\":\"augury\",\"fields\":["
            + "{\"name\":\"gate\",\"type\":\"string\"},{\"name\":\"id\",\"type\":\"string\"}," + AT
            + ",{\"name\":\"delay\",\"type\":[\"null\",\"double\"]},{\"name\":\"late\",\"type\":[\"null\",\"boolean\"]}]}";

    private final Map<Integer, String> schemas = new ConcurrentHashMap<>();
    private volatile int failure;
    private HttpServer registry;

    @BeforeEach
    void start() throws IOException {
        schemas.put(1, OLD);
        schemas.put(2, NEW);
        registry = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        registry.createContext("/", exchange -> {
            String path = exchange.getRequestURI().getPath();
            int id = path.startsWith("/v7/schemas/ids/") ? Integer.parseInt(path.substring(path.lastIndexOf('/') + 1)) : -1;
            int status = failure != 0 ? failure : schemas.containsKey(id) ? 200 : 404;
            String body = status == 200
                    ? "{\"schema\":\"" + schemas.get(id).replace("\"", "\\\"") + "\"}"
                    : id < 0 ? "<html>" : "{\"error_code\":" + status + "03,\"message\":\"no\"}";
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/vnd.schemaregistry.v1+json");
            exchange.sendResponseHeaders(status, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
        registry.start();
    }

    @AfterEach
    void stop() {
        registry.stop(0);
    }

    private AvroRows decoder(String path) {
        RowType columns = (RowType) DataTypes.ROW(
                        DataTypes.FIELD("id", DataTypes.STRING()),
                        DataTypes.FIELD("at", DataTypes.TIMESTAMP_LTZ(3)),
                        DataTypes.FIELD("delay", DataTypes.DOUBLE()),
                        DataTypes.FIELD("late", DataTypes.BOOLEAN()))
                .getLogicalType();
        AvroRows decoder = new AvroRows(
                columns, InternalTypeInfo.of(columns), "http://127.0.0.1:" + registry.getAddress().getPort() + path,
                Map.of("max.retries", "0"));
        decoder.open(null);
        return decoder;
    }

    private static byte[] message(int id, String schema, Map<String, Object> fields) throws IOException {
        Schema written = new Schema.Parser().parse(schema);
        GenericRecord record = new GenericData.Record(written);
        fields.forEach(record::put);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        new GenericDatumWriter<GenericRecord>(written).write(record, encoder);
        encoder.flush();
        return bytes.toByteArray();
    }

    private static byte[] old() throws IOException {
        return message(1, OLD, Map.of("id", "f1", "at", 1234L, "delay", 1.5f));
    }

    @Test
    void recordsOfOlderAndNewerWritersAreRead() throws IOException {
        AvroRows decoder = decoder("/v7");
        assertEquals("f1 1970-01-01T00:00:01.234 1.5 -", Operators.text(decoder.deserialize(old())));
        byte[] later = message(2, NEW, Map.of("gate", "C2", "id", "f2", "at", -1L, "late", true));
        assertEquals("f2 1969-12-31T23:59:59.999 - true", Operators.text(decoder.deserialize(later)));
    }

    @Test
    void whatCannotBeReadGivesARowOfNulls() throws IOException {
        AvroRows decoder = decoder("/v7");
        byte[] cut = Arrays.copyOf(old(), old().length - 2);
        byte[] unknown = old();
        unknown[4] = 99;
        byte[] unframed = "{\"id\":1}".getBytes(StandardCharsets.UTF_8);
        byte[] huge = {0, 0, 0, 0, 1, (byte) 0xfe, (byte) 0xff, (byte) 0xff, (byte) 0xff, 0x0f, 'x'}; // a text of 2^31 - 1 bytes
        byte[] negative = {0, 0, 0, 0, 1, 1, 'x'};
        for (byte[] message : new byte[][] {null, {}, {0, 0, 0}, unframed, unknown, cut, huge, negative}) {
            assertEquals("- - - -", Operators.text(decoder.deserialize(message)));
        }
    }

    @Test
    void randomBytesAreReadOrRefusedButNeverFail() throws IOException {
        AvroRows decoder = decoder("/v7");
        Random random = new Random(3);
        for (int i = 0; i < 20_000; i++) {
            byte[] message = new byte[5 + random.nextInt(30)];
            random.nextBytes(message);
            message[0] = message[1] = message[2] = message[3] = 0;
            message[4] = (byte) (1 + random.nextInt(2));
            decoder.deserialize(message);
        }
    }

    @Test
    void aRegistryThatDoesNotAnswerFailsTheJob() throws IOException {
        AvroRows decoder = decoder("/v7");
        failure = 500;
        String message = assertThrows(IOException.class, () -> decoder.deserialize(old())).getMessage();
        assertTrue(message.contains("the registry gives the schema of each record"), message);
        failure = 0;
        assertEquals("f1 1970-01-01T00:00:01.234 1.5 -", Operators.text(decoder.deserialize(old())));
        assertThrows(IOException.class, () -> decoder("/another/server").deserialize(old()));
        registry.stop(0);
        byte[] later = message(2, NEW, Map.of("gate", "C2", "id", "f2"));
        assertThrows(IOException.class, () -> decoder.deserialize(later));
    }
}
