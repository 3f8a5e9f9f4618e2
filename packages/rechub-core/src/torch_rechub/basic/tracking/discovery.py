"""Finds the loggers of installed tracker packages by entry points, without importing them."""

from importlib import metadata
from typing import Any

from .base import BaseLogger
from .foreign import error_text

GROUP = "torch_rechub.loggers"

# Names that can always be imported, even if the package is missing: name to distribution.
KNOWN_LOGGERS = {
    "WandbLogger": "rechub-wandb",
    "SwanLabLogger": "rechub-swanlab",
    "TensorBoardXLogger": "rechub-tensorboardx",
}


def available_loggers() -> dict[str, str]:
    """Map the name of each installed logger to its distribution, without importing it.

    Example:
        >>> isinstance(available_loggers(), dict)
        True
    """
    return {
        point.name: point.dist.name if point.dist else "unknown"
        for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name)
    }


def find_logger(name: str) -> Any:
    """Return the logger class called `name`, or None if no installed package provides it.

    The names of `KNOWN_LOGGERS` always return a class; if its package is missing or broken,
    creating the logger raises ImportError with the command that installs it.

    Raises:
        ImportError: Two distributions register a logger of this name.
    """
    points = {point.value: point for point in metadata.entry_points(group=GROUP, name=name)}
    if len(points) > 1:
        owners = ", ".join(sorted(f"{p.dist.name if p.dist else p.value}" for p in points.values()))
        raise ImportError(f"the logger {name!r} is registered by several packages: {owners}")
    if not points:
        return _stand_in(name, KNOWN_LOGGERS[name], None) if name in KNOWN_LOGGERS else None
    (point,) = points.values()
    try:
        return point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an SDK may raise anything on import, and even call sys.exit
        package = point.dist.name if point.dist else KNOWN_LOGGERS.get(name, point.value)
        return _stand_in(name, package, error)


def _stand_in(name: str, distribution: str, cause: BaseException | None) -> type[BaseLogger]:
    """Return a class that stands in for a missing logger and raises when it is created."""
    state = (
        f"{name} needs the package {distribution}, which is not installed"
        if cause is None
        else f"{name} cannot be used: loading {distribution} failed ({error_text(cause, repr)})"
    )

    def refuse(self: BaseLogger, *args: Any, **kwargs: Any) -> None:
        raise ImportError(f"{state}. Install it with: pip install {distribution}") from cause

    return type(name, (BaseLogger,), {"__init__": refuse, "__module__": __name__, "__doc__": state})
