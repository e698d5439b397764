"""Benchmarks: each runs by itself, writes `results/<name>.json`, and fails where results differ."""
