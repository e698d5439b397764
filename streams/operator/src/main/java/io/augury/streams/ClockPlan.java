package io.augury.streams;

import java.io.Serializable;
import java.util.Locale;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/**
 * How a source's rows get the log's time and lose duplicates and refused records.
 *
 * <p>{@code partitions} is how many the source's topic has: more readers than that would never have a clock.
 * {@code eventId} and {@code eventTime} are indexes of columns. An event time outside
 * [{@code minTime}, {@code maxTime}] (ms) is refused as a NULL one is.
 */
record ClockPlan(
        String name, int partitions, int eventId, int eventTime, Dedup dedup, long dedupMs, long minTime, long maxTime)
        implements Serializable {

    /** PARTITION: an event id is fixed to a partition. KEYED: it is not, and rows wait for the watermark. */
    enum Dedup {
        NONE,
        PARTITION,
        KEYED
    }

    /** What ClickHouse's DateTime64(3) holds: the years 1900 to 2299. */
    private static final long MIN_TIME = -2_208_988_800_000L;

    private static final long MAX_TIME = 10_413_791_999_999L;

    static ClockPlan read(String json) {
        JsonNode plan = Json.object(json);
        Dedup dedup = Dedup.valueOf(Json.text(plan, "dedup").toUpperCase(Locale.ROOT));
        return new ClockPlan(
                Json.text(plan, "name"),
                plan.path("partitions").asInt(Integer.MAX_VALUE),
                Json.field(plan, "event_id").asInt(),
                Json.field(plan, "event_time").asInt(),
                dedup,
                dedup == Dedup.NONE ? 0 : Json.field(plan, "dedup_ms").asLong(),
                plan.path("min_time").asLong(MIN_TIME),
                plan.path("max_time").asLong(MAX_TIME));
    }
}
