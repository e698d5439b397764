"""Load on the doors, and how long answers take under it."""
