"""Generative models: what comes next in a sequence of tokens. Train them with `SeqTrainer`."""

from .hstu import HSTUModel

__all__ = ["HSTUModel"]
