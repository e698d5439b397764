package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WindowsPlanTest {
    private static final String PLAN =
            """
            {"group":"g","version":1,"order":"arrival","bound":1e12,"scale":6,
             "arguments":[{"name":"x","type":"double"},{"name":"b","type":"boolean"}],
             "windows":[{"size":100,"hop":10}],
             "aggregates":[{"name":"f","op":"mean","argument":0,"window":0,"type":"double"}]}
            """;

    @Test
    void rowsHaveTheirIdentityThenTheAggregates() {
        assertEquals(
                "ROW<`entity` VARCHAR(2147483647) NOT NULL, `event_timestamp` BIGINT NOT NULL, `last_event_time` BIGINT NOT NULL, "
                        + "`seq` BIGINT NOT NULL, `topic` VARCHAR(2147483647), `partition` INT, `offset` BIGINT, `f` DOUBLE> NOT NULL",
                WindowsPlan.read(PLAN).rowType().asSerializableString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"hop\":10|\"hop\":30|multiple of its hop",
        "\"bound\":1e12|\"bound\":1e13|fits in 64 bits",
        "\"argument\":0|\"argument\":2|names a window and an argument",
        "\"argument\":0|\"argument\":1|types of its catalogue",
        "\"argument\":0|\"argument\":null|without an argument",
        "\"window\":0|\"window\":1|names a window and an argument",
        "\"type\":\"double\"}]}|\"type\":\"bigint\"}]}|its operation's type",
        "\"type\":\"double\"}]}|\"type\":\"text\"}]}|types are",
        "arrival|random|order is arrival or log",
        "\"scale\":6,|''|states 'scale'"
    })
    void aBrokenPlanIsRefusedWithTheRule(String part, String broken, String rule) {
        String plan = PLAN.replace(part, broken);
        String message = assertThrows(IllegalArgumentException.class, () -> WindowsPlan.read(plan)).getMessage();
        assertTrue(message.contains(rule), message);
    }
}
