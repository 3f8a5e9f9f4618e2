"""The tasks of `zoo.py`: a module each, with data, models and baselines.

A module has `MODELS`, the constructor of each model, one line per model; `BASELINES`, the models
that are always measured; `COMPARED`, the metrics whose difference to a baseline is computed per
seed; and `measure(name, run)`, which trains and tests one model.
"""
