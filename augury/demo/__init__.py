"""The demo: a project's own past, replayed from events to judged predictions."""
