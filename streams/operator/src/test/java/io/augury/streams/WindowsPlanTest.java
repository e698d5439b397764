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

    @Test
    void anArgumentsOwnBoundGoesAheadOfThePlans() {
        WindowsPlan plan = WindowsPlan.read(PLAN.replace("{\"name\":\"x\",", "{\"name\":\"x\",\"bound\":1000,"));
        assertEquals(1000, plan.arguments().get(0).bound());
        assertEquals(1e12, plan.arguments().get(1).bound());
        assertThrows(IllegalArgumentException.class,
                () -> WindowsPlan.read(PLAN.replace("{\"name\":\"x\",", "{\"name\":\"x\",\"bound\":0,")));
    }

    @Test
    void optionsAreRead() {
        WindowsPlan plan = WindowsPlan.read(PLAN.replace("\"op\":\"mean\"",
                "\"op\":\"quantile\",\"options\":{\"limit\":1000,\"q\":1}"));
        assertEquals(new Options(1, false, 1000, 1.0, 1), plan.aggregates().get(0).options());
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
        "\"scale\":6,|''|states 'scale'",
        "\"op\":\"mean\"|\"op\":\"median\"|operations are",
        "\"op\":\"mean\"|\"op\":\"skewness\"|50 bits where cubes are summed",
        "\"window\":0|\"window\":0,\"options\":{\"nth\":2}|options of its catalogue",
        "\"op\":\"mean\"|\"op\":\"last\",\"options\":{\"nth\":0}|nth is an integer",
        "\"op\":\"mean\"|\"op\":\"last\",\"options\":{\"nth\":1.5}|nth is an integer",
        "\"op\":\"mean\"|\"op\":\"last\",\"options\":{\"nth\":\"two\"}|nth is an integer",
        "\"op\":\"mean\"|\"op\":\"last\",\"options\":{\"distinct\":1}|distinct is true or false",
        "\"op\":\"mean\"|\"op\":\"decayed_sum\"|half_life is from 1",
        "\"op\":\"mean\"|\"op\":\"decayed_sum\",\"options\":{\"half_life\":0}|half_life is from 1",
        "\"op\":\"mean\"|\"op\":\"decayed_sum\",\"options\":{\"half_life\":3153600000001}|half_life is from 1",
        "\"op\":\"mean\"|\"op\":\"decayed_sum\",\"options\":{\"half_life\":5}|what decays has no window",
        "\"op\":\"mean\"|\"op\":\"mode\"|limit is an integer",
        "\"op\":\"mean\"|\"op\":\"mode\",\"options\":{\"limit\":0}|limit is an integer",
        "\"op\":\"mean\"|\"op\":\"mode\",\"options\":{\"limit\":9,\"q\":0.5}|options of its catalogue",
        "\"op\":\"mean\"|\"op\":\"quantile\",\"options\":{\"limit\":9}|q lies between 0 and 1",
        "\"op\":\"mean\"|\"op\":\"quantile\",\"options\":{\"limit\":9,\"q\":1.01}|q lies between 0 and 1",
        "\"op\":\"mean\"|\"op\":\"quantile\",\"options\":{\"limit\":9,\"q\":null}|q lies between 0 and 1"
    })
    void aBrokenPlanIsRefusedWithTheRule(String part, String broken, String rule) {
        String plan = PLAN.replace(part, broken);
        String message = assertThrows(IllegalArgumentException.class, () -> WindowsPlan.read(plan)).getMessage();
        assertTrue(message.contains(rule), message);
    }
}
