"""Flows that events set off: retraining, trials, and the statistics that judge them."""
