ALTER TABLE model_prediction_log ADD COLUMN IF NOT EXISTS `rows.defaulted` Array(Bool) AFTER `rows.age_ms`;

ALTER TABLE shadow_predictions ADD COLUMN IF NOT EXISTS `rows.defaulted` Array(Bool) AFTER `rows.age_ms`;

ALTER TABLE served_vector_audit
    ADD COLUMN IF NOT EXISTS defaulted Int64 COMMENT 'rows in whose place the defaults stood' AFTER missing;
