"""TensorBoardX for Torch-RecHub: `TensorBoardXLogger`; does not import tensorboardX itself."""

from .logger import TensorBoardXLogger

__all__ = ["TensorBoardXLogger"]
