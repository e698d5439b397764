-- Experiments, gates and trials come by the log; log_time is when it took them.
ALTER TABLE experiments ADD COLUMN IF NOT EXISTS log_time DateTime64(3, 'UTC');
ALTER TABLE experiment_gates ADD COLUMN IF NOT EXISTS log_time DateTime64(3, 'UTC');
ALTER TABLE experiment_trials ADD COLUMN IF NOT EXISTS log_time DateTime64(3, 'UTC');
