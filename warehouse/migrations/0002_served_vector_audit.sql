-- One row for each audit, whole: a run that is repeated replaces what it wrote before.
CREATE TABLE IF NOT EXISTS served_vector_audit (
    audit_id String COMMENT 'model, range and sample',
    model_name LowCardinality(String),
    since DateTime64(3, 'UTC'),
    until DateTime64(3, 'UTC'),
    sample Nullable(Int64) COMMENT 'answers asked for; NULL is all',
    vectors Int64,
    mismatches Int64,
    skipped Int64 COMMENT 'of other group versions',
    differences Nested (
        feature String,
        cause String,
        vectors Int64
    ),
    rows Int64 COMMENT 'rows used',
    current Int64 COMMENT 'the newest that the log held',
    missing Int64 COMMENT 'not there, while the log held one',
    lag_p50_ms Float64,
    lag_p99_ms Float64,
    serving_delay_ms Int64 COMMENT 'what a model may state',
    agreeing Int64 COMMENT 'rows that the training join then takes as they were served'
) ENGINE = ReplacingMergeTree ORDER BY (model_name, audit_id);

ALTER TABLE datasets
    ADD COLUMN IF NOT EXISTS origin LowCardinality(String),
    ADD COLUMN IF NOT EXISTS serving_delay_ms Int64,
    ADD COLUMN IF NOT EXISTS contract String COMMENT 'JSON of the model as it was compiled';
