"""Interactions: filters, splits without leaks, histories, tables of users and items."""

from .interactions import Interactions
from .leaks import LeakError
from .samples import Samples
from .split import Split

__all__ = ["Interactions", "LeakError", "Samples", "Split"]
