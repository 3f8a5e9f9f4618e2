"""Reporting: a trainer's hyper-parameters, metrics, and on request plots and statistics."""
