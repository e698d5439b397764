-- Who was champion when, and why: out of the registry's events, which the log brought.
ALTER TABLE model_registry_events
    ADD COLUMN IF NOT EXISTS position Int64 COMMENT 'counts up over all events of a registry' AFTER artifact_uri,
    ADD COLUMN IF NOT EXISTS evidence Nullable(String) COMMENT 'JSON: the figures that it was decided by' AFTER position;

-- Each end of a reign is an event retired of the version that had it; valid_to is NULL for the champion of now.
CREATE VIEW IF NOT EXISTS champions AS
SELECT model_name, version, valid_from, valid_to, kind, by, why, evidence, ended_by, ended_why, position
FROM (
    SELECT
        model_name, version, kind, by, why, evidence, position, at AS valid_from,
        leadInFrame(toNullable(at)) OVER life AS valid_to,
        leadInFrame(toNullable(by)) OVER life AS ended_by,
        leadInFrame(toNullable(why)) OVER life AS ended_why
    FROM model_registry_events FINAL
    WHERE kind IN ('promoted', 'rolled_back', 'retired')
    WINDOW life AS (
        PARTITION BY model_name, version ORDER BY position, at
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
WHERE kind != 'retired';

-- Each answer beside the champion of the moment at which it was given, and the decision that had made it so.
CREATE VIEW IF NOT EXISTS answers_with_champion AS
WITH isNull(c.valid_to) OR a.predicted_at < c.valid_to AS reigned
SELECT
    a.*,
    if(reigned, c.version, NULL) AS champion_version,
    if(reigned, c.valid_from, NULL) AS champion_from,
    if(reigned, c.valid_to, NULL) AS champion_to,
    if(reigned, c.by, NULL) AS champion_by,
    if(reigned, c.why, NULL) AS champion_why,
    if(reigned, c.evidence, NULL) AS champion_evidence
FROM (SELECT * FROM model_prediction_log FINAL) AS a
ASOF LEFT JOIN (SELECT * FROM champions WHERE isNull(valid_to) OR valid_to > valid_from) AS c
    ON a.model_name = c.model_name AND a.predicted_at >= c.valid_from
SETTINGS join_use_nulls = 1;
