ALTER TABLE model_prediction_log
    ADD COLUMN IF NOT EXISTS frozen Array(String) COMMENT 'features at their defaults, whatever their rows hold';

ALTER TABLE shadow_predictions
    ADD COLUMN IF NOT EXISTS frozen Array(String) COMMENT 'features at their defaults, whatever their rows hold';

-- Which feature a model had at its default when, and why: out of the registry's events, which the log brought.
-- until is NULL while it is frozen.
CREATE VIEW IF NOT EXISTS frozen_features AS
SELECT model_name, feature, value, since, until, by, why, alert_id, thawed_by, thawed_why, position
FROM (
    SELECT
        model_name, kind, by, why, position, at AS since,
        JSONExtractString(ifNull(evidence, ''), 'feature') AS feature,
        JSONExtractRaw(ifNull(evidence, ''), 'value') AS value,
        JSONExtract(ifNull(evidence, ''), 'alert_id', 'Nullable(String)') AS alert_id,
        leadInFrame(toNullable(at)) OVER steps AS until,
        leadInFrame(toNullable(by)) OVER steps AS thawed_by,
        leadInFrame(toNullable(why)) OVER steps AS thawed_why
    FROM model_registry_events FINAL
    WHERE kind IN ('feature_frozen', 'feature_thawed')
    WINDOW steps AS (
        PARTITION BY model_name, feature ORDER BY position, at
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
WHERE kind = 'feature_frozen';
