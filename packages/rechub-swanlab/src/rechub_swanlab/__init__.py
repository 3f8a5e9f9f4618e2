"""SwanLab for Torch-RecHub: `SwanLabLogger`. Importing this does not import swanlab."""

from .logger import SwanLabLogger

__all__ = ["SwanLabLogger"]
