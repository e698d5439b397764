package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigInteger;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class DecayTest {
    /** The figures are those of {@code features.decay.weights()}, which its tests hold to the exact roots. */
    @Test
    void theWeightsAreThoseOfTheReference() {
        assertEquals(1024, Decay.WEIGHTS.length);
        assertEquals(1_048_931, Decay.WEIGHTS[0]);
        assertEquals(2_096_442, Decay.WEIGHTS[1023]);
        assertEquals(-1714833276, Arrays.hashCode(Decay.WEIGHTS));
    }

    @Test
    void aShiftRoundsDown() {
        for (long value : new long[] {Long.MIN_VALUE, -5, -1, 0, 1, 5, Long.MAX_VALUE}) {
            for (int by : new int[] {0, 1, 2, 63}) {
                long[] sum = new long[Int128.SLOTS];
                Decay.addShifted(sum, 0, 7, value, by);
                BigInteger whole = BigInteger.valueOf(value).shiftLeft(64).add(BigInteger.valueOf(7));
                assertEquals(whole.shiftRight(by).longValue(), sum[0]);
                assertEquals(whole.shiftRight(by).shiftRight(64).longValue(), sum[1]);
            }
        }
    }
}
