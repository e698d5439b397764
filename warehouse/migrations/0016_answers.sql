ALTER TABLE model_prediction_log
    MODIFY COLUMN earliness UInt64
        MATERIALIZED bitShiftRight(bitNot(toUInt64(toUnixTimestamp64Milli(predicted_at))), isNull(error) ? 0 : 1)
        COMMENT 'of a request that was answered twice the first answer stays, and an error only where there is none';

ALTER TABLE shadow_predictions
    MODIFY COLUMN earliness UInt64
        MATERIALIZED bitShiftRight(bitNot(toUInt64(toUnixTimestamp64Milli(predicted_at))), isNull(error) ? 0 : 1)
        COMMENT 'of a request that was answered twice the first answer stays, and an error only where there is none';
