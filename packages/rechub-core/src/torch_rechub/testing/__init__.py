"""The contracts of loggers and models as pytest classes, to be subclassed in the tests of yours."""

from .loggers import LoggerContract, RecordedRun
from .models import ModelContract

__all__ = ["LoggerContract", "ModelContract", "RecordedRun"]
