"""Balancing of several losses: strategies for the weights of tasks."""
