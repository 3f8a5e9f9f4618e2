"""Balancing of several losses: how much each task counts in a step of the shared weights."""
