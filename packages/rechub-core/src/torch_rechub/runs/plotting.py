"""Draws the curves of a comparison over each other: a picture, or a page to explore."""

import os

from .comparison import Comparison
from .folders import AnyPath

FORMATS = (".png", ".html")


def plot(comparison: Comparison, path: AnyPath) -> None:
    """Draw the curves of the metric: one a row, over several seeds the mean with its spread.

    The ten best rows have colors and stand in the legend, ranked; the others are gray.

    Args:
        comparison: What `compare` returned.
        path: A file to write: ``.png``, which needs matplotlib, or ``.html``, a page that needs
            nothing, not even a network, and shows every metric of the best fifty rows.

    Raises:
        ValueError: The file's name ends otherwise.
        ImportError: matplotlib is missing; names the command that installs it.
        OSError: The file cannot be written.
    """
    if refuse_other_formats(path) == ".png":
        from .picture import draw_png

        draw_png(comparison, os.fspath(path))
    else:
        from .webpage import draw_html

        draw_html(comparison, os.fspath(path))


def refuse_other_formats(path: AnyPath) -> str:
    """The format of a plot, told by the file's name.

    Raises:
        ValueError: It is none of `FORMATS`.
    """
    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending not in FORMATS:
        raise ValueError(f"a plot is a .png or a .html file, got {os.fspath(path)!r}")
    return ending
