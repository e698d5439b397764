-- Experiments as the registry has them, for any client; the flows write them once they are recorded.
CREATE TABLE IF NOT EXISTS experiments
(
    experiment_id String,
    parent_experiment_id Nullable(String) COMMENT 'what it runs again, or corrects',
    kind LowCardinality(String) COMMENT 'training, or tuning: a study, which has trials',
    model_name LowCardinality(String),
    model_type LowCardinality(String) COMMENT 'the trainer',
    hyperparameters String COMMENT 'JSON',
    recipe String COMMENT 'JSON; all that it depends on, but for the training set',
    training_dataset_version String COMMENT 'as in training_sets',
    training_dataset_hash Nullable(String),
    feature_group_versions Map(LowCardinality(String), UInt32),
    evaluation_metrics Map(LowCardinality(String), Nullable(Float64)) COMMENT 'of the holdout',
    artifact_path String,
    code_version String,
    environment Map(LowCardinality(String), String) COMMENT 'versions of libraries',
    seed Int64,
    trained_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY experiment_id;

CREATE TABLE IF NOT EXISTS experiment_gates
(
    experiment_id String COMMENT 'of an experiment that a gate stopped before its training there is no other row',
    gate LowCardinality(String),
    position UInt16,
    passed Bool,
    rule String,
    value String,
    consequence String,
    written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (experiment_id, gate);

CREATE TABLE IF NOT EXISTS experiment_trials
(
    experiment_id String COMMENT 'of the study',
    trial UInt32,
    state LowCardinality(String) COMMENT 'complete, pruned or failed',
    value Nullable(Float64) COMMENT 'the mean of the losses; the smallest is the best',
    losses Array(Float64) COMMENT 'of the folds it came to',
    hyperparameters String COMMENT 'JSON',
    reason String,
    seconds Nullable(Float64)
)
ENGINE = ReplacingMergeTree
ORDER BY (experiment_id, trial);
