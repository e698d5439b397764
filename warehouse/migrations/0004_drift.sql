-- What a model was trained on, frozen with its experiment: what later windows are compared with.
CREATE TABLE IF NOT EXISTS drift_reference (
    experiment_id String,
    policy LowCardinality(String),
    feature LowCardinality(String),
    method LowCardinality(String),
    edges Array(Float64) COMMENT 'upper bounds of the bins but the last, ascending',
    levels Array(String) COMMENT 'or the categories',
    counts Array(Int64) COMMENT 'by bin; categories have one for others; the last is of missing values',
    deciles Array(Float64) COMMENT 'smallest, nine deciles, largest',
    frozen_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = ReplacingMergeTree(frozen_at) ORDER BY (experiment_id, policy, feature);

ALTER TABLE feature_drift_report
    RENAME COLUMN IF EXISTS reference_rows TO n_reference,
    RENAME COLUMN IF EXISTS current_rows TO n;
ALTER TABLE feature_drift_report
    MODIFY COLUMN IF EXISTS threshold Float64 COMMENT 'of psi under a classical rule, else of q_value',
    ADD COLUMN IF NOT EXISTS model_version Int32 AFTER model_name,
    ADD COLUMN IF NOT EXISTS method LowCardinality(String) AFTER feature,
    ADD COLUMN IF NOT EXISTS statistic Nullable(Float64) AFTER psi,
    ADD COLUMN IF NOT EXISTS effect_size Nullable(Float64) AFTER statistic,
    ADD COLUMN IF NOT EXISTS p_value Nullable(Float64) AFTER effect_size,
    ADD COLUMN IF NOT EXISTS q_value Nullable(Float64) COMMENT 'over the features of the window' AFTER p_value,
    ADD COLUMN IF NOT EXISTS missing_share_reference Float64 AFTER drifted,
    ADD COLUMN IF NOT EXISTS missing_share Float64 AFTER missing_share_reference,
    ADD COLUMN IF NOT EXISTS edges Array(Float64),
    ADD COLUMN IF NOT EXISTS levels Array(String),
    ADD COLUMN IF NOT EXISTS reference_counts Array(Int64),
    ADD COLUMN IF NOT EXISTS counts Array(Int64),
    ADD COLUMN IF NOT EXISTS causes Array(String),
    DROP COLUMN IF EXISTS evidence;
