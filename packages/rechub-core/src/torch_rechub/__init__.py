"""Torch-RecHub: recommender models, trainers and experiment logging for PyTorch.

Importing this package is cheap: `alerts`, `basic`, `bundles`, `data`, `models`, `runs`,
`significance`, `trainers`, `tune` and `utils` are loaded when first used, and neither torch nor
pandas nor any tracker is imported before that.
"""

from importlib import import_module, metadata
from typing import Any

from ._installation import refuse_mixed_installation
from ._shown import show_logs

refuse_mixed_installation()
show_logs()

__version__ = metadata.version("rechub-core")
__author__ = "Torch-RecHub contributors"
__license__ = "MIT"
__url__ = "https://github.com/datawhalechina/torch-rechub"

_ROOMS = (
    "alerts", "basic", "bundles", "data", "models", "runs", "significance", "trainers", "tune",
    "utils",
)  # fmt: skip
__all__ = ["__author__", "__license__", "__url__", "__version__", *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
