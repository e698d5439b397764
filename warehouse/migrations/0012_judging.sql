-- A correction that came true when the first report did is a row of its own; a report that is sent again stays the
-- one that the log took first. The sink, which alone writes here, migrates before it begins.
DROP TABLE IF EXISTS ground_truth_reports;

CREATE TABLE ground_truth_reports (
    request_id String,
    model_name LowCardinality(String),
    label Float64,
    happened_at DateTime64(3, 'UTC'),
    log_time DateTime64(3, 'UTC'),
    earliness UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(log_time)))
) ENGINE = ReplacingMergeTree(earliness) ORDER BY (model_name, request_id, happened_at, label);

INSERT INTO ground_truth_reports SELECT * FROM ground_truth;

EXCHANGE TABLES ground_truth AND ground_truth_reports;

INSERT INTO ground_truth SELECT * FROM ground_truth_reports;

DROP TABLE ground_truth_reports;

-- Each trial of a version: how it was planned, and the decision that ended it, with the rule, the numbers and the
-- ledger of its units. One that goes on has no decision; begun anew it ended as trial_started.
CREATE VIEW IF NOT EXISTS trials AS
SELECT
    model_name, version, started_at, plan, ended_at, decision, by, why,
    JSONExtractString(decided, 'rule') AS rule,
    JSONExtractString(decided, 'what') AS what,
    JSONExtract(decided, 'estimate', 'Nullable(Float64)') AS estimate,
    JSONExtract(decided, 'lower', 'Nullable(Float64)') AS lower,
    JSONExtract(decided, 'upper', 'Nullable(Float64)') AS upper,
    JSONExtract(decided, 'e_value', 'Nullable(Float64)') AS e_value,
    JSONExtract(decided, 'n_units', 'Nullable(Int64)') AS units,
    JSONExtractRaw(decided, 'ledger') AS ledger,
    JSONExtractRaw(decided, 'policy') AS policy,
    decided AS evidence, position
FROM (
    SELECT
        model_name, version, kind, position, at AS started_at, JSONExtractRaw(ifNull(evidence, ''), 'plan') AS plan,
        leadInFrame(toNullable(at)) OVER life AS ended_at,
        leadInFrame(toNullable(kind)) OVER life AS decision,
        leadInFrame(toNullable(by)) OVER life AS by,
        leadInFrame(toNullable(why)) OVER life AS why,
        ifNull(leadInFrame(evidence) OVER life, '') AS decided
    FROM model_registry_events FINAL
    WHERE kind IN ('trial_started', 'promoted', 'rejected', 'retired')
    WINDOW life AS (
        PARTITION BY model_name, version ORDER BY position, at
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
WHERE kind = 'trial_started';
