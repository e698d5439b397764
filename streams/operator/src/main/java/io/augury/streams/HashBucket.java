package io.augury.streams;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.ScalarFunction;

/** A text's bucket, 0 to n - 1: the first eight bytes of its MD5, as a big-endian unsigned number, modulo n. */
public final class HashBucket extends ScalarFunction {
    private transient MessageDigest md5;

    @Override
    public void open(FunctionContext context) throws NoSuchAlgorithmException {
        md5 = MessageDigest.getInstance("MD5");
    }

    public Long eval(String text, Long buckets) {
        if (text == null) {
            return null;
        }
        byte[] digest = md5.digest(text.getBytes(StandardCharsets.UTF_8));
        return Long.remainderUnsigned(ByteBuffer.wrap(digest).getLong(), buckets);
    }
}
