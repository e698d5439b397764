"""Pages that people look at: drift, experiments, models, freshness."""
