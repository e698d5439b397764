"""What a running system is doing, on a terminal."""
