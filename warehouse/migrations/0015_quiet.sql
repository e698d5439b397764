ALTER TABLE feature_group_config
    ADD COLUMN IF NOT EXISTS quiet_after_ms Nullable(Int64) COMMENT 'the lag from which a quiet source is told of'
        AFTER on_stale;
