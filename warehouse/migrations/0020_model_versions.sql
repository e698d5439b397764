-- Each version of a model: what it is now, what was done to it last and why, and the training that made it.
CREATE VIEW IF NOT EXISTS model_versions AS
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
    x.experiment_id AS first_experiment_id,
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
        argMax(e.artifact_uri, (e.position, e.at)) AS artifact_uri
    FROM model_registry_events AS e FINAL
    GROUP BY model_name, version
) AS v
LEFT JOIN (
    -- Trainings that gave the same bytes share an artifact; the first of them made it.
    SELECT * FROM experiments FINAL WHERE kind = 'training' ORDER BY trained_at LIMIT 1 BY model_name, artifact_path
) AS x ON x.model_name = v.model_name AND x.artifact_path = v.artifact_uri
SETTINGS join_use_nulls = 0;
