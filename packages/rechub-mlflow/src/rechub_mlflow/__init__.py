"""MLflow for Torch-RecHub: `MLflowLogger`; does not import mlflow itself."""

from .logger import MLflowLogger

__all__ = ["MLflowLogger"]
