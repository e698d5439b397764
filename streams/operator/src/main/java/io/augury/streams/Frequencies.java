package io.augury.streams;

import java.io.IOException;
import java.util.Arrays;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * A multiset: the different values in order, each with how often it is there.
 *
 * <p>Values are bytes whose unsigned order is that of what they stand for (see {@link ValueType#encode}); their
 * arrays are shared and never changed.
 */
final class Frequencies {
    private static final int SMALL = 4;

    private byte[][] values;
    private long[] counts;
    private int size;
    private long total;

    Frequencies() {
        this(new byte[SMALL][], new long[SMALL], 0, 0);
    }

    private Frequencies(byte[][] values, long[] counts, int size, long total) {
        this.values = values;
        this.counts = counts;
        this.size = size;
        this.total = total;
    }

    /** Gives how many different values there are. */
    int size() {
        return size;
    }

    /** Gives how many values there are. */
    long total() {
        return total;
    }

    void add(byte[] value) {
        int at = place(value);
        if (at < 0) {
            at = -at - 1;
            if (size == counts.length) {
                values = Arrays.copyOf(values, 2 * size);
                counts = Arrays.copyOf(counts, 2 * size);
            }
            System.arraycopy(values, at, values, at + 1, size - at);
            System.arraycopy(counts, at, counts, at + 1, size - at);
            values[at] = value;
            counts[at] = 0;
            size++;
        }
        counts[at]++;
        total++;
    }

    /** Takes out another multiset, all of which is in this one. */
    void subtract(Frequencies that) {
        for (int i = 0; i < that.size; i++) {
            counts[place(that.values[i])] -= that.counts[i];
        }
        int kept = 0;
        for (int i = 0; i < size; i++) {
            if (counts[i] > 0) {
                values[kept] = values[i];
                counts[kept++] = counts[i];
            }
        }
        Arrays.fill(values, kept, size, null);
        size = kept;
        total -= that.total;
    }

    private int place(byte[] value) {
        return Arrays.binarySearch(values, 0, size, value, Arrays::compareUnsigned);
    }

    /** Gives the most frequent value, the smallest of several; there is one. */
    byte[] mode() {
        return values[mostFrequent()];
    }

    /** Gives how often the most frequent value is there. */
    long highest() {
        return counts[mostFrequent()];
    }

    private int mostFrequent() {
        int best = 0;
        for (int i = 1; i < size; i++) {
            best = counts[i] > counts[best] ? i : best;
        }
        return best;
    }

    /** Gives the value of a rank from 1 to the total, in order. */
    byte[] ranked(long rank) {
        int at = 0;
        for (long reached = counts[0]; reached < rank; reached += counts[at]) {
            at++;
        }
        return values[at];
    }

    Frequencies copy() {
        int room = Math.max(SMALL, size);
        return new Frequencies(Arrays.copyOf(values, room), Arrays.copyOf(counts, room), size, total);
    }

    void write(DataOutputView to) throws IOException {
        to.writeInt(size);
        for (int i = 0; i < size; i++) {
            to.writeInt(values[i].length);
            to.write(values[i]);
            to.writeLong(counts[i]);
        }
    }

    static Frequencies read(DataInputView from) throws IOException {
        int size = from.readInt();
        int room = Math.max(SMALL, size);
        Frequencies read = new Frequencies(new byte[room][], new long[room], size, 0);
        for (int i = 0; i < size; i++) {
            read.values[i] = new byte[from.readInt()];
            from.readFully(read.values[i]);
            read.counts[i] = from.readLong();
            read.total += read.counts[i];
        }
        return read;
    }
}
