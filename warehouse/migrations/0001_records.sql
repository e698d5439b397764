-- Tables that replays of the log may write twice keep one row for each identity: read them with FINAL.
CREATE TABLE IF NOT EXISTS model_prediction_log (
    deduplication_key String,
    request_id String,
    model_name LowCardinality(String),
    model_version_used Nullable(Int32),
    variant LowCardinality(String),
    door LowCardinality(String),
    prediction Nullable(Float64),
    error Nullable(String),
    entity_keys Map(String, String),
    inputs String COMMENT 'JSON object',
    feature_values_used Map(String, Nullable(Float64)),
    rows Nested (
        group String,
        version Int32,
        entity String,
        event_timestamp DateTime64(3, 'UTC'),
        seq Int64,
        state String,
        age_ms Nullable(Int64)
    ),
    requested_at DateTime64(3, 'UTC'),
    predicted_at DateTime64(3, 'UTC'),
    latency_features_ms Float64,
    latency_on_demand_ms Float64,
    latency_model_ms Float64,
    latency_total_ms Float64,
    log_time DateTime64(3, 'UTC'),
    earliness UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(predicted_at)))
        COMMENT 'of a request that was answered twice the first answer stays'
) ENGINE = ReplacingMergeTree(earliness) ORDER BY (model_name, deduplication_key);

CREATE TABLE IF NOT EXISTS shadow_predictions AS model_prediction_log
ENGINE = ReplacingMergeTree(earliness) ORDER BY (model_name, deduplication_key, model_version_used)
SETTINGS allow_nullable_key = 1;

CREATE TABLE IF NOT EXISTS ground_truth (
    request_id String,
    model_name LowCardinality(String),
    label Float64,
    happened_at DateTime64(3, 'UTC'),
    log_time DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (model_name, request_id, happened_at);

CREATE TABLE IF NOT EXISTS model_registry_events (
    event_id String,
    model_name LowCardinality(String),
    version Int32,
    kind LowCardinality(String),
    status LowCardinality(String),
    by String,
    why String,
    at DateTime64(3, 'UTC'),
    sha256 Nullable(String),
    artifact_uri Nullable(String),
    log_time DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (model_name, event_id);

CREATE TABLE IF NOT EXISTS alerts (
    alert_id String,
    policy LowCardinality(String),
    kind LowCardinality(String),
    subject String,
    model_name Nullable(String),
    severity LowCardinality(String),
    evidence String COMMENT 'JSON',
    at DateTime64(3, 'UTC'),
    log_time DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY alert_id;

CREATE TABLE IF NOT EXISTS dead_letters (
    origin LowCardinality(String),
    topic LowCardinality(String),
    partition Int32,
    offset Int64,
    reason String,
    payload Nullable(String),
    at DateTime64(3, 'UTC'),
    log_time DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (origin, topic, partition, offset);

CREATE TABLE IF NOT EXISTS feature_drift_report (
    report_id String,
    policy LowCardinality(String),
    model_name LowCardinality(String),
    group LowCardinality(String),
    version Int32,
    feature LowCardinality(String),
    reference_rows Int64,
    current_rows Int64,
    psi Float64,
    threshold Float64,
    drifted Bool,
    window_start DateTime64(3, 'UTC'),
    window_end DateTime64(3, 'UTC'),
    evidence String COMMENT 'JSON'
) ENGINE = ReplacingMergeTree ORDER BY (report_id, group, version, feature);

CREATE TABLE IF NOT EXISTS model_performance_monitor (
    policy LowCardinality(String),
    model_name LowCardinality(String),
    model_version Int32,
    metric LowCardinality(String),
    value Float64,
    reference Nullable(Float64),
    units Int64,
    breached Bool,
    window_start DateTime64(3, 'UTC'),
    window_end DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (model_name, model_version, metric, window_end, policy);

CREATE TABLE IF NOT EXISTS feature_group_config (
    group LowCardinality(String),
    version Int32,
    entity String,
    source String,
    contract String COMMENT 'canonical JSON',
    contract_hash String,
    owner String,
    meaning String,
    expected_max_lag_ms Int64,
    alert_threshold_ms Int64,
    on_stale LowCardinality(String),
    applied_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(applied_at) ORDER BY (group, version);

CREATE TABLE IF NOT EXISTS log_clock (
    topic LowCardinality(String),
    partition Int32,
    log_time DateTime64(3, 'UTC') COMMENT 'how far the clock of the log has come in the tables',
    offset Int64
) ENGINE = ReplacingMergeTree(offset) ORDER BY (topic, partition);

CREATE TABLE IF NOT EXISTS datasets (
    name String,
    version Int64,
    table_name String,
    model_name LowCardinality(String),
    group_versions String COMMENT 'JSON object',
    sql String,
    rows Int64,
    content_hash String,
    created_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (name, version);
