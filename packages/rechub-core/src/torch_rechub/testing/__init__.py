"""The contracts of loggers and models as pytest classes, to be subclassed in the tests of yours."""

from typing import TYPE_CHECKING, Any

from .loggers import LoggerContract, RecordedRun

if TYPE_CHECKING:
    from .models import ModelContract

__all__ = ["LoggerContract", "ModelContract", "RecordedRun"]


def __getattr__(name: str) -> Any:
    # a package of a tracker is tested without torch
    if name == "ModelContract":
        from .models import ModelContract

        return ModelContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
