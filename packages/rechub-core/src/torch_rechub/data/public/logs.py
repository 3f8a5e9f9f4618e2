"""Logs: the `Interactions` of a data set's users, items and times."""

import logging
from collections.abc import Iterator, Sequence

import pandas as pd

from ..interactions import Interactions
from .layout import Layout

log = logging.getLogger("torch_rechub.data")


def log_columns(layout: Layout, attributes: Sequence[str]) -> list[str]:
    """The columns that a log of a data set needs.

    Raises:
        ValueError: The data set has no users, items or times.
    """
    if not (layout.user and layout.item and layout.time):
        raise ValueError(
            f"{layout.title} is a table of examples: it names no user, item and time of each, "
            "which interactions need. Use recipe()."
        )
    label = [layout.label] if layout.label else []
    names = [layout.user, layout.item, layout.time, *label]
    return [*names, *(name for name in attributes if name not in names)]


def interactions_of(
    layout: Layout, blocks: Iterator[pd.DataFrame], attributes: Sequence[str]
) -> Interactions:
    """Make the interactions of a log; rows without a time are left out, and counted in a warning.

    Raises:
        KeyError: An attribute is not a column.
    """
    names = log_columns(layout, attributes)
    frame = pd.concat((_chosen(block, names) for block in blocks), ignore_index=True)
    untimed = frame[layout.time].isna()
    if untimed.any():
        log.warning(
            "%s: %d of %d rows have no %s: they are left out",
            layout.title, int(untimed.sum()), len(frame), layout.time,
        )  # fmt: skip
        frame = frame[~untimed]
    return Interactions(
        frame,
        layout.user,
        layout.item,
        layout.time,
        layout.label or None,
        list(attributes),
        time_unit=layout.time_unit,
    )


def _chosen(block: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    lacking = [name for name in names if name not in block]
    if lacking:
        raise KeyError(f"no column {lacking[0]!r}: the columns are {list(block.columns)}")
    chosen: pd.DataFrame = block[list(names)]
    return chosen
