-- By how much a window's losses are larger than the holdout's, and whether a policy calls that harm.

ALTER TABLE model_performance_monitor
    ADD COLUMN IF NOT EXISTS ks_larger Nullable(Float64),
    ADD COLUMN IF NOT EXISTS ks_breached Bool DEFAULT false;

CREATE OR REPLACE VIEW performance_windows AS
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
    breached,
    ks_statistic,
    ks_p_value,
    ks_larger,
    ks_breached
FROM model_performance_monitor FINAL;
