-- One row for each group version whose stream begins at a cut, the newest one holding.
CREATE TABLE IF NOT EXISTS feature_group_handover (
    group LowCardinality(String),
    version Int32,
    cut DateTime64(3, 'UTC') COMMENT 'T from which on the stream writes rows; those before are the backfill''s',
    seed String COMMENT 'topic of the events before the cut; empty until it holds them all',
    recorded_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(recorded_at) ORDER BY (group, version);
