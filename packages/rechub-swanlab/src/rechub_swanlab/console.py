"""Where swanlab prints to."""

from importlib import import_module
from typing import Any

from torch_rechub._streams import StandardStream


def print_where_possible() -> None:
    """Let swanlab print as it does, but not end the process where nobody reads that any more.

    rich, which prints for swanlab, calls `sys.exit` at a broken pipe (``python train.py | head``)
    and raises where the disk is full or the encoding lacks a character.
    """
    try:
        console: Any = import_module("swanlab.sdk.internal.pkg.console").c
    except (ImportError, AttributeError):  # of another version
        return
    if getattr(console, "_file", None) is None:  # else it is somebody's choice
        console.file = StandardStream("stdout")
