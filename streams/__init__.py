"""Flink: a group's plan as a streaming job, and its rows in Redis."""
