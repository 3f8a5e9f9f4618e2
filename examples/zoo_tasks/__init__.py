"""The tasks of `zoo.py`: a module each, with its data, its models and its baselines.

A module has `MODELS`, how each model is made, one line a model; `BASELINES`, which of them are
measured next to any other; `COMPARED`, the metrics whose distance from a baseline is taken seed by
seed; and `measure(name, run)`, which trains and tests one model.
"""
