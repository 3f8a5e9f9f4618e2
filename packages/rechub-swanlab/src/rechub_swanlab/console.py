"""The console output of swanlab."""

from importlib import import_module
from typing import Any

from torch_rechub._streams import StandardStream


def print_where_possible() -> None:
    """Keep swanlab's output, but do not let a failed write end the process.

    rich, which prints for swanlab, calls `sys.exit` at a broken pipe (``python train.py | head``)
    and raises where the disk is full or the encoding lacks a character.
    """
    try:
        console: Any = import_module("swanlab.sdk.internal.pkg.console").c
    except (ImportError, AttributeError):  # another version of swanlab
        return
    if getattr(console, "_file", None) is None:  # otherwise it was set by the user
        console.file = StandardStream("stdout")
