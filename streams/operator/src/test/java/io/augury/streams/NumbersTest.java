package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;

class NumbersTest {
    @Test
    void theSquareRootIsCorrectlyRoundedAndKeepsTheSignOfZero() {
        Numbers.Sqrt sqrt = new Numbers.Sqrt();
        assertEquals(1.4142135623730951, sqrt.eval(2.0));
        assertEquals(-0.0, sqrt.eval(-0.0));
        assertEquals(2.2227587494850775e-162, sqrt.eval(Double.MIN_VALUE));
    }

    @Test
    void whatIsNoFiniteNumberIsNull() {
        assertNull(new Numbers.Sqrt().eval(-1.0));
        assertNull(new Numbers.Ln().eval(0.0));
        assertNull(new Numbers.Exp().eval(710.0));
        assertNull(new Numbers.Exp().eval(Double.NEGATIVE_INFINITY));
        assertNull(new Numbers.Sin().eval(null));
        assertNull(new Numbers.Power().eval(1.0, Double.NaN));
        assertNull(new Numbers.Power().eval(-8.0, 0.5));
        assertNull(new Numbers.Power().eval(1.0, 1001.0));
        assertNull(new Numbers.Power().eval(Double.MIN_VALUE, 1.0));
        assertNull(new Numbers.Atan2().eval(null, 1.0));
    }
}
