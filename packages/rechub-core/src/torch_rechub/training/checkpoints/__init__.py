"""Weights and training runs on disk: the best weights, and the state to continue from."""
