package io.augury.streams;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/** The log's time in one partition, and when each event id last stood there. */
final class PartitionClock {
    private long time = Long.MIN_VALUE;
    /** Oldest first: an id moves to the end when it is seen. */
    private final LinkedHashMap<String, Long> ids = new LinkedHashMap<>();

    /** Gives T of a row of the partition. */
    long advance(long kafkaTime) {
        time = Math.max(time, kafkaTime);
        return time;
    }

    /** Tells whether the id stood less than {@code dedupMs} earlier, itself a duplicate or not. */
    boolean duplicate(String id, long dedupMs) {
        Iterator<Long> oldest = ids.values().iterator();
        while (oldest.hasNext() && time - oldest.next() >= dedupMs) {
            oldest.remove();
        }
        return saw(id, time);
    }

    /** Notes the id; tells whether it was there. */
    boolean saw(String id, long at) {
        boolean known = ids.remove(id) != null;
        ids.put(id, at);
        return known;
    }

    long time() {
        return time;
    }

    Map<String, Long> ids() {
        return ids;
    }
}
