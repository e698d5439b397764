"""Augury: settings, the command line, the embedded stack, and the wiring of the packages below."""
