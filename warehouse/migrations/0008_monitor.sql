ALTER TABLE alerts
    ADD COLUMN IF NOT EXISTS owner String,
    ADD COLUMN IF NOT EXISTS playbook String COMMENT 'the document that tells what to do';

-- What followed on alerts, one row for each state that one has reached.
CREATE TABLE IF NOT EXISTS alert_states (
    alert_id String,
    state LowCardinality(String) COMMENT 'acknowledged or resolved',
    by String,
    why String,
    at DateTime64(3, 'UTC'),
    log_time DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (alert_id, state);

-- The alerts that nobody has resolved, those of one kind, policy and subject together.
CREATE VIEW IF NOT EXISTS alerts_open AS
SELECT
    concat(kind, '/', policy, '/', subject) AS incident,
    kind,
    policy,
    subject,
    any(model_name) AS model_name,
    arrayElement(['info', 'warning', 'critical'],
        max(indexOf(['info', 'warning', 'critical'], toString(severity)))) AS severity,
    if(max(acknowledged), 'acknowledged', 'open') AS state,
    count() AS alerts,
    min(a.at) AS since,
    max(a.at) AS latest,
    argMax(evidence, a.at) AS evidence,
    argMax(owner, a.at) AS owner,
    argMax(playbook, a.at) AS playbook,
    arraySort(groupArray(a.alert_id)) AS alert_ids
FROM (SELECT * FROM alerts FINAL) AS a
LEFT JOIN (
    SELECT alert_id, max(state = 'acknowledged') AS acknowledged, max(state = 'resolved') AS resolved
    FROM alert_states
    GROUP BY alert_id
) AS s ON s.alert_id = a.alert_id
WHERE NOT s.resolved
GROUP BY kind, policy, subject;

-- What each version was tried on before it served: the rows of its training set that it was not trained on.
CREATE TABLE IF NOT EXISTS holdout_predictions (
    experiment_id String,
    position UInt32 COMMENT 'in order of prediction',
    prediction Float64,
    label Float64
) ENGINE = ReplacingMergeTree ORDER BY (experiment_id, position);

ALTER TABLE model_performance_monitor
    ADD COLUMN IF NOT EXISTS basis LowCardinality(String) COMMENT 'measured or estimated',
    ADD COLUMN IF NOT EXISTS segment_by String COMMENT 'empty for all requests',
    ADD COLUMN IF NOT EXISTS segment String,
    MODIFY COLUMN value Nullable(Float64),
    MODIFY COLUMN reference Nullable(Float64) COMMENT 'of the holdout',
    MODIFY ORDER BY (model_name, model_version, metric, window_end, policy, basis, segment_by, segment);
ALTER TABLE model_performance_monitor
    ADD COLUMN IF NOT EXISTS low Nullable(Float64) AFTER value,
    ADD COLUMN IF NOT EXISTS high Nullable(Float64) AFTER low,
    ADD COLUMN IF NOT EXISTS worse Nullable(Float64) COMMENT 'by how much, than the reference' AFTER reference,
    ADD COLUMN IF NOT EXISTS p_value Nullable(Float64) COMMENT 'of being worse by no more than the threshold'
        AFTER worse,
    ADD COLUMN IF NOT EXISTS threshold Float64 AFTER p_value,
    ADD COLUMN IF NOT EXISTS gap Nullable(Float64) COMMENT 'how much worse than the other segments' AFTER threshold,
    ADD COLUMN IF NOT EXISTS gap_low Nullable(Float64) AFTER gap,
    ADD COLUMN IF NOT EXISTS gap_high Nullable(Float64) AFTER gap_low,
    ADD COLUMN IF NOT EXISTS log_e Nullable(Float64) COMMENT 'evidence of a loss above the holdout''s' AFTER gap_high,
    ADD COLUMN IF NOT EXISTS ks_statistic Nullable(Float64) COMMENT 'losses against the holdout''s' AFTER log_e,
    ADD COLUMN IF NOT EXISTS ks_p_value Nullable(Float64) AFTER ks_statistic;
