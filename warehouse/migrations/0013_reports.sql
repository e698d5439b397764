-- What the reports show, for any client: one view for each thing that is looked at.

-- One row a feature and window that a drift policy has checked.
CREATE VIEW IF NOT EXISTS drift_windows AS
SELECT
    policy,
    model_name,
    model_version,
    if(group = '', 'outputs', concat(group, '.v', toString(version))) AS subject,
    feature,
    method,
    window_start,
    window_end,
    n,
    n_reference,
    psi,
    effect_size,
    p_value,
    q_value,
    isNotNull(q_value) AS judged,
    threshold,
    drifted,
    missing_share,
    missing_share_reference,
    causes,
    edges,
    levels,
    arrayMap(c -> c / greatest(n_reference, 1), reference_counts) AS reference_shares,
    arrayMap(c -> c / greatest(n, 1), counts) AS shares
FROM feature_drift_report FINAL;

-- One row a feature that a drift policy watches: what all its windows come to, and the newest of them.
CREATE VIEW IF NOT EXISTS drift_features AS
SELECT
    policy,
    model_name,
    subject,
    feature,
    count() AS windows,
    countIf(judged) AS judged_windows,
    countIf(drifted) AS drifted_windows,
    minIf(toNullable(w.window_end), drifted) AS first_drifted,
    maxIf(toNullable(w.window_end), drifted) AS last_drifted,
    max(w.psi) AS largest_psi,
    max(w.window_end) AS newest,
    argMax(w.psi, w.window_end) AS psi,
    argMax(tuple(w.effect_size), w.window_end).1 AS effect_size,
    argMax(tuple(w.q_value), w.window_end).1 AS q_value,
    argMax(w.drifted, w.window_end) AS drifts,
    argMax(w.causes, w.window_end) AS causes
FROM drift_windows AS w
GROUP BY policy, model_name, subject, feature;

-- One row a policy, window, basis and segment.
CREATE VIEW IF NOT EXISTS performance_windows AS
SELECT
    policy,
    model_name,
    model_version,
    metric,
    basis,
    segment_by,
    segment,
    window_start,
    window_end,
    units,
    value,
    low,
    high,
    reference,
    worse,
    p_value,
    threshold,
    gap,
    gap_low,
    gap_high,
    log_e,
    breached
FROM model_performance_monitor FINAL;

-- Every alert with how far it has come: open, acknowledged or resolved, and by whom.
CREATE VIEW IF NOT EXISTS alerts_with_state AS
SELECT
    a.alert_id AS alert_id,
    policy,
    kind,
    subject,
    model_name,
    severity,
    evidence,
    a.at AS at,
    owner,
    playbook,
    if(s.state = '', 'open', s.state) AS state,
    s.by AS state_by,
    s.why AS state_why,
    if(s.state = '', NULL, s.at) AS state_at
FROM (SELECT * FROM alerts FINAL) AS a
LEFT JOIN (
    SELECT
        alert_id,
        if(max(alert_states.state = 'resolved'), 'resolved', 'acknowledged') AS state,
        argMax(alert_states.by, alert_states.state = 'resolved') AS by,
        argMax(alert_states.why, alert_states.state = 'resolved') AS why,
        argMax(alert_states.at, alert_states.state = 'resolved') AS at
    FROM alert_states FINAL
    GROUP BY alert_id
) AS s ON s.alert_id = a.alert_id
SETTINGS join_use_nulls = 0;

-- Answers of a day of requests, by who gave them.
CREATE VIEW IF NOT EXISTS answers_daily AS
SELECT
    toDate(l.requested_at) AS day,
    model_name,
    model_version_used AS model_version,
    variant,
    door,
    countIf(isNull(error)) AS answers,
    countIf(isNotNull(error)) AS errors,
    countIf(isNull(error) AND has(rows.state, 'stale')) AS with_stale_rows,
    countIf(isNull(error) AND has(rows.state, 'missing')) AS with_missing_rows,
    countIf(isNull(error) AND has(rows.defaulted, true)) AS with_defaults,
    avgIf(prediction, isNull(error)) AS mean_prediction,
    quantileIfOrNull(0.5)(latency_total_ms, isNull(error)) AS latency_p50_ms,
    quantileIfOrNull(0.99)(latency_total_ms, isNull(error)) AS latency_p99_ms
FROM (
    SELECT requested_at, model_name, model_version_used, variant, door, error, rows.state, rows.defaulted,
        prediction, latency_total_ms
    FROM model_prediction_log FINAL
    UNION ALL
    SELECT requested_at, model_name, model_version_used, variant, door, error, rows.state, rows.defaulted,
        prediction, latency_total_ms
    FROM shadow_predictions FINAL
) AS l
GROUP BY day, model_name, model_version, variant, door;

-- How far a group's clock lay behind the requests of an hour that read it, and what they got.
CREATE VIEW IF NOT EXISTS freshness_hourly AS
SELECT
    r.group AS group,
    r.version AS version,
    r.hour AS hour,
    count() AS reads,
    countIf(state = 'fresh') AS fresh,
    countIf(state = 'stale') AS stale,
    countIf(state = 'missing') AS missing,
    countIf(is_default) AS defaulted,
    quantile(0.5)(age_ms) AS lag_p50_ms,
    quantile(0.99)(age_ms) AS lag_p99_ms,
    max(age_ms) AS lag_max_ms,
    any(c.expected_max_lag_ms) AS expected_max_lag_ms,
    any(c.alert_threshold_ms) AS alert_threshold_ms,
    any(c.on_stale) AS on_stale
FROM (
    SELECT
        toStartOfHour(requested_at) AS hour,
        read_group AS group,
        read_version AS version,
        read_state AS state,
        read_age AS age_ms,
        read_default AS is_default
    FROM model_prediction_log FINAL
    ARRAY JOIN
        rows.group AS read_group,
        rows.version AS read_version,
        rows.state AS read_state,
        rows.age_ms AS read_age,
        arrayResize(rows.defaulted, length(rows.group)) AS read_default
) AS r
LEFT JOIN (
    SELECT toString(g.group) AS group, version, expected_max_lag_ms, alert_threshold_ms, on_stale
    FROM feature_group_config AS g FINAL
) AS c ON c.group = r.group AND c.version = r.version
GROUP BY group, version, hour
SETTINGS join_use_nulls = 1;

-- How far the log's clock has come in the warehouse for each applied group: the least of its sources' partitions.
CREATE VIEW IF NOT EXISTS group_clocks AS
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
SETTINGS join_use_nulls = 1;

-- What each experiment said of the rows that it was not trained on, by tenths of its predictions.
CREATE VIEW IF NOT EXISTS holdout_calibration AS
SELECT
    experiment_id,
    intDiv((place - 1) * 10, total) AS tenth,
    count() AS rows,
    avg(prediction) AS predicted,
    avg(label) AS observed
FROM (
    SELECT
        experiment_id,
        prediction,
        label,
        row_number() OVER (PARTITION BY experiment_id ORDER BY prediction, position) AS place,
        count() OVER (PARTITION BY experiment_id) AS total
    FROM holdout_predictions FINAL
)
GROUP BY experiment_id, tenth;

-- The training sets, by the name and the version that experiments state.
CREATE VIEW IF NOT EXISTS training_sets AS
SELECT
    concat(name, '@', toString(version)) AS training_dataset_version,
    model_name,
    table_name,
    rows,
    content_hash,
    group_versions,
    origin,
    serving_delay_ms,
    created_at
FROM datasets FINAL;

-- Bytes on disk of the log of predictions and its labels, beside the predictions that were given.
-- system.tables, not system.parts: whoever may read a table may see it there, without a further grant.
CREATE VIEW IF NOT EXISTS prediction_cost AS
SELECT
    t.name AS table,
    assumeNotNull(t.total_rows) AS rows,
    assumeNotNull(t.total_bytes) AS bytes,
    p.predictions AS predictions,
    t.total_bytes * 1000 / nullIf(p.predictions, 0) AS bytes_per_thousand
FROM system.tables AS t
CROSS JOIN (SELECT countIf(isNull(error)) AS predictions FROM model_prediction_log FINAL) AS p
WHERE t.database = currentDatabase() AND t.name IN ('model_prediction_log', 'shadow_predictions', 'ground_truth');
