"""Plots the curves of a comparison, as a picture or as an interactive page."""

import os

from .comparison import Comparison
from .folders import AnyPath

FORMATS = (".png", ".html")


def plot(comparison: Comparison, path: AnyPath) -> None:
    """Plot a curve of the metric for each row: over several seeds, the mean and standard deviation.

    The ten best rows have colors and appear in the legend, ranked; the others are gray.

    Args:
        comparison: The result of `compare`.
        path: The file to write: ``.png``, which needs matplotlib, or ``.html``, a self-contained
            page that shows every metric of the best fifty rows.

    Raises:
        ValueError: The file name has another ending.
        ImportError: matplotlib is missing; the message gives the command that installs it.
        OSError: The file cannot be written.
    """
    if refuse_other_formats(path) == ".png":
        from .picture import draw_png

        draw_png(comparison, os.fspath(path))
    else:
        from .webpage import draw_html

        draw_html(comparison, os.fspath(path))


def refuse_other_formats(path: AnyPath) -> str:
    """Return the format of a plot from its file name.

    Raises:
        ValueError: The ending is not one of `FORMATS`.
    """
    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending not in FORMATS:
        raise ValueError(f"a plot is a .png or a .html file, got {os.fspath(path)!r}")
    return ending
