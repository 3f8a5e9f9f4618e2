"""CSV files for Torch-RecHub: `CSVLogger`."""

from .logger import CSVLogger

__all__ = ["CSVLogger"]
