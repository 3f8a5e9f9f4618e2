"""Objectives: losses of rows, pairs, lists, in-batch negatives, next items and tasks."""
