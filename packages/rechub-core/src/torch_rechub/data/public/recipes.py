"""Recipes: the columns of a `Preprocessor` that fit the tables of a data set."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..._bounds import check_number, check_whole
from ..preprocessing import (
    Categorical,
    Column,
    MultiCategorical,
    Numeric,
    Preprocessor,
    Target,
    Timestamp,
)
from .layout import Layout

if TYPE_CHECKING:
    from .layout import Column as Described


def preprocessor_of(
    layout: Layout, columns: "Iterable[Described]", threshold: float | None, min_count: int
) -> Preprocessor:
    """Make the preprocessor of columns, by their use.

    Categories are `Categorical`, lists `MultiCategorical`, times `Timestamp` (hour and weekday, in
    the time zone of the users). Numbers are standardized; counts are clipped at 0 and
    logarithmized before, because they have long tails. Missing numbers become the median.

    Args:
        layout: The data set.
        columns: Its columns; those without a use are left out.
        threshold: Targets of at least this are 1, others 0; None leaves them as they are.
        min_count: Values of categories and lists that occur less often are unknown.

    Raises:
        ValueError: `min_count` is below 1, or `threshold` is not finite.
    """
    check_whole(1, min_count=min_count)
    check_number("(-inf, inf)", threshold=threshold)
    described = list(columns)
    inputs = [_input(column, layout, min_count) for column in described]
    targets = [Target(c.name, threshold=threshold) for c in described if c.use == "target"]
    weight = next((c.name for c in described if c.use == "weight"), None)
    return Preprocessor([column for column in inputs if column is not None], targets, weight)


def _input(column: "Described", layout: Layout, min_count: int) -> Column | None:
    """The input that a column's use leads to, if any."""
    if column.use == "category":
        return Categorical(column.name, min_count=min_count)
    if column.use == "list":
        return MultiCategorical(column.name, min_count=min_count)
    if column.use == "number":
        return Numeric(column.name, scale="standard", missing="median")
    if column.use == "count":
        scaled = Numeric(column.name, scale="standard", missing="median")
        return replace(scaled, transform="log1p", clip=(0, None))
    if column.use == "time":
        return Timestamp(column.name, unit=layout.time_unit, timezone=layout.timezone)
    return None
