"""Contracts of loggers and models as pytest classes, for the tests of your own."""

from typing import TYPE_CHECKING, Any

from .loggers import LoggerContract, RecordedRun

if TYPE_CHECKING:
    from .models import ModelContract

__all__ = ["LoggerContract", "ModelContract", "RecordedRun"]


def __getattr__(name: str) -> Any:
    # tracker packages are tested without torch
    if name == "ModelContract":
        from .models import ModelContract

        return ModelContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
