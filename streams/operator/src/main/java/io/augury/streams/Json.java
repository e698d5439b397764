package io.augury.streams;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** Reads plans; what is missing is an error that names it. */
final class Json {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private Json() {}

    static JsonNode object(String text) {
        try {
            JsonNode node = MAPPER.readTree(text);
            if (node.isObject()) {
                return node;
            }
        } catch (JsonProcessingException broken) {
            throw new IllegalArgumentException("a plan is a JSON object; the job cannot start (found '" + text + "')", broken);
        }
        throw new IllegalArgumentException("a plan is a JSON object; the job cannot start (found '" + text + "')");
    }

    static JsonNode field(JsonNode node, String name) {
        JsonNode value = node.get(name);
        if (value == null) {
            throw new IllegalArgumentException("a plan states '" + name + "'; the job cannot start (found " + node + ")");
        }
        return value;
    }

    static String text(JsonNode node, String name) {
        return field(node, name).asText();
    }

    static <T> List<T> list(JsonNode node, String name, Function<JsonNode, T> read) {
        List<T> items = new ArrayList<>();
        field(node, name).forEach(item -> items.add(read.apply(item)));
        return items;
    }

    static int indexOrNone(JsonNode node, String name) {
        JsonNode value = field(node, name);
        return value.isNull() ? -1 : value.asInt();
    }
}
