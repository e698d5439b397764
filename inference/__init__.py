"""Models in service: their registry, and the one path from a request to a logged answer."""
