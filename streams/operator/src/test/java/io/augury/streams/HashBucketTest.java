package io.augury.streams;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class HashBucketTest {
    private final HashBucket hash = new HashBucket();

    @BeforeEach
    void open() throws Exception {
        hash.open(null);
    }

    @Test
    void theFirstEightBytesOfTheDigestAreUnsigned() {
        // RFC 1321: MD5("") = d41d8cd98f00b204..., MD5("abc") = 900150983cd24fb0...
        assertEquals(0x8f00b204L, hash.eval("", 1L << 32));
        assertEquals(8L, hash.eval("", 10L));
        assertEquals(2L, hash.eval("abc", 10L));
    }

    @Test
    void nullHasNoBucket() {
        assertNull(hash.eval(null, 10L));
    }
}
