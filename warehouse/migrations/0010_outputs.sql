ALTER TABLE model_prediction_log
    ADD COLUMN IF NOT EXISTS outputs Array(Float64) COMMENT 'all values of the model: probabilities, or targets',
    ADD COLUMN IF NOT EXISTS predicted_class LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS bias Nullable(Float64) COMMENT 'with the contributions it adds up to the raw score',
    ADD COLUMN IF NOT EXISTS contributions Map(String, Float64);

ALTER TABLE shadow_predictions
    ADD COLUMN IF NOT EXISTS outputs Array(Float64) COMMENT 'all values of the model: probabilities, or targets',
    ADD COLUMN IF NOT EXISTS predicted_class LowCardinality(Nullable(String)),
    ADD COLUMN IF NOT EXISTS bias Nullable(Float64) COMMENT 'with the contributions it adds up to the raw score',
    ADD COLUMN IF NOT EXISTS contributions Map(String, Float64);
