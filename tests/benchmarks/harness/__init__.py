"""Runs peers in environments of their own, in turns, and reports how they compare."""
