"""Augury's own processes: each module runs one, and imports no more than it needs."""
