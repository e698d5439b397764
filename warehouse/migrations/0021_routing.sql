-- What the registry's events say of a version's experiment, and of who answers after them.
ALTER TABLE model_registry_events
    ADD COLUMN IF NOT EXISTS experiment_id Nullable(String),
    ADD COLUMN IF NOT EXISTS shadow_model_version Nullable(Int32),
    ADD COLUMN IF NOT EXISTS challenger_version Nullable(Int32),
    ADD COLUMN IF NOT EXISTS challenger_share Nullable(Float64) COMMENT 'NULL: nothing is told of routing',
    ADD COLUMN IF NOT EXISTS canary Nullable(Bool);

-- Each version of a model: what it is now, what was done to it last and why, and the training that made it.
CREATE OR REPLACE VIEW model_versions AS
SELECT
    v.model_name AS model_name,
    v.version AS version,
    v.status AS status,
    v.changed_at AS changed_at,
    v.changed_by AS changed_by,
    v.changed_why AS changed_why,
    v.registered_at AS registered_at,
    v.sha256 AS sha256,
    v.artifact_uri AS artifact_uri,
    ifNull(v.experiment_id, f.first_id) AS experiment_id,
    x.model_type AS model_type,
    x.training_dataset_version AS training_dataset_version,
    x.training_dataset_hash AS training_dataset_hash,
    x.feature_group_versions AS feature_group_versions,
    x.evaluation_metrics AS evaluation_metrics,
    x.code_version AS code_version,
    x.trained_at AS trained_at
FROM (
    SELECT
        model_name,
        version,
        argMax(e.status, (e.position, e.at)) AS status,
        argMax(e.at, (e.position, e.at)) AS changed_at,
        argMax(e.by, (e.position, e.at)) AS changed_by,
        argMax(e.why, (e.position, e.at)) AS changed_why,
        min(e.at) AS registered_at,
        argMax(e.sha256, (e.position, e.at)) AS sha256,
        argMax(e.artifact_uri, (e.position, e.at)) AS artifact_uri,
        argMax(e.experiment_id, (e.position, e.at)) AS experiment_id
    FROM model_registry_events AS e FINAL
    GROUP BY model_name, version
) AS v
LEFT JOIN (
    -- Events of before did not say so: then it is the first training that gave the same bytes.
    SELECT model_name AS of_model, artifact_path AS of_path, experiment_id AS first_id
    FROM experiments FINAL WHERE kind = 'training' ORDER BY trained_at LIMIT 1 BY model_name, artifact_path
) AS f ON f.of_model = v.model_name AND f.of_path = v.artifact_uri
LEFT JOIN (SELECT * FROM experiments FINAL) AS x ON x.experiment_id = ifNull(v.experiment_id, f.first_id)
SETTINGS join_use_nulls = 0;

-- Who is to answer a model's requests, and by which change: the champion all, but for a challenger's share.
CREATE VIEW IF NOT EXISTS model_serving AS
SELECT
    r.model_name AS model_name,
    c.version AS champion_version,
    r.challenger_version AS challenger_version,
    r.challenger_share AS challenger_share,
    r.canary AS canary,
    r.shadow_model_version AS shadow_model_version,
    r.changed_at AS changed_at,
    r.kind AS kind,
    r.changed_by AS changed_by,
    r.changed_why AS changed_why
FROM (
    -- Of a tuple's parts none is skipped for being NULL, which would keep a challenger that has left.
    SELECT
        model_name,
        argMax(routed, (position, at)) AS last_routed,
        last_routed.1 AS challenger_version,
        last_routed.2 AS challenger_share,
        last_routed.3 AS canary,
        last_routed.4 AS shadow_model_version,
        argMaxIf(at, (position, at), moves) AS changed_at,
        argMaxIf(kind, (position, at), moves) AS kind,
        argMaxIf(by, (position, at), moves) AS changed_by,
        argMaxIf(why, (position, at), moves) AS changed_why
    FROM (
        SELECT
            e.model_name AS model_name, e.position AS position, e.at AS at, e.kind AS kind, e.by AS by, e.why AS why,
            (e.challenger_version, e.challenger_share, e.canary, e.shadow_model_version) AS routed,
            toString(routed) AS spelled,
            lagInFrame(spelled, 1, '') OVER (
                PARTITION BY e.model_name ORDER BY e.position, e.at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS before,
            spelled != before OR e.kind IN ('promoted', 'rolled_back', 'retired') AS moves
        FROM model_registry_events AS e FINAL
    )
    GROUP BY model_name
) AS r
LEFT JOIN (
    SELECT model_name, version FROM model_versions WHERE status = 'champion'
) AS c ON c.model_name = r.model_name
SETTINGS join_use_nulls = 1;

-- The policies that were applied, each with all that it states: read with FINAL.
CREATE TABLE IF NOT EXISTS policies (
    policy LowCardinality(String),
    model_name LowCardinality(String),
    group LowCardinality(String) COMMENT 'of a drift policy; empty: the outputs of the model',
    group_version Int32,
    metric LowCardinality(String) COMMENT 'of a monitoring policy',
    settings String COMMENT 'JSON',
    applied_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(applied_at) ORDER BY (policy, model_name, group, group_version, metric);

-- How far each group had come for its readers, and the log for it, as the materialiser reported.
CREATE TABLE IF NOT EXISTS group_freshness (
    group LowCardinality(String),
    version Int32,
    at DateTime64(3, 'UTC'),
    clock Nullable(DateTime64(3, 'UTC')) COMMENT 'of the online store; NULL: none there',
    newest Nullable(DateTime64(3, 'UTC')) COMMENT 'record of the slowest partition of its sources',
    log_time DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (group, version, at) TTL toDateTime(at) + INTERVAL 30 DAY;

-- How far the log's clock has come for each applied group: in the warehouse, the least of its sources'
-- partitions, and for its readers, by the last report.
CREATE OR REPLACE VIEW group_clocks AS
SELECT
    w.group AS group,
    w.version AS version,
    w.owner AS owner,
    w.expected_max_lag_ms AS expected_max_lag_ms,
    w.alert_threshold_ms AS alert_threshold_ms,
    w.on_stale AS on_stale,
    w.log_time AS log_time,
    o.clock AS online_clock,
    o.reported_at AS reported_at
FROM (
    SELECT
        c.group AS group,
        c.version AS version,
        any(c.owner) AS owner,
        any(c.expected_max_lag_ms) AS expected_max_lag_ms,
        any(c.alert_threshold_ms) AS alert_threshold_ms,
        any(c.on_stale) AS on_stale,
        if(countIf(isNull(l.clock)) > 0, NULL, min(l.clock)) AS log_time
    FROM (
        SELECT toString(g.group) AS group, version, owner, expected_max_lag_ms, alert_threshold_ms, on_stale, topic
        FROM feature_group_config AS g FINAL
        ARRAY JOIN splitByString(', ', source) AS topic
    ) AS c
    LEFT JOIN (
        SELECT topic, min(log_time) AS clock FROM log_clock FINAL GROUP BY topic
    ) AS l ON l.topic = c.topic
    GROUP BY group, version
) AS w
LEFT JOIN (
    SELECT toString(f.group) AS group, version, max(f.at) AS reported_at, argMax(tuple(f.clock), f.at).1 AS clock
    FROM group_freshness AS f
    GROUP BY group, version
) AS o ON o.group = w.group AND o.version = w.version
SETTINGS join_use_nulls = 1;
