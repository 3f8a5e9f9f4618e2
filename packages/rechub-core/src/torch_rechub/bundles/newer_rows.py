"""The rows that a bundle's training continues on: those of a table, or a log of interactions."""

from collections.abc import Collection
from typing import Any

from ..basic.layers.embedding import input_columns
from ..data.as_loader import is_table
from .bundle import Bundle
from .histories import HistoryForm

_LABELED = ("ranking", "multi_task")
_LOADERS = {
    "retrieval": "new.interactions().samples(length).loader(256)",
    "next_item": "new.interactions().pieces(length).sequence_loader(256)",
}


def histories_of(bundle: Bundle) -> HistoryForm | None:
    """Return the names of the columns of a log; None where the bundle has none."""
    part = bundle.parts.get("users", bundle.parts.get("sequences"))
    return getattr(part, "histories", None)


def lacking_inputs(bundle: Bundle) -> list[str]:
    """Return the inputs that rows lack, because samples of a log have them.

    Args:
        bundle: A bundle with a preprocessor.
    """
    if bundle.task == "next_item":
        return ["tokens"]
    assert bundle.preprocessor is not None
    known = {column.input_name for column in bundle.preprocessor.columns}
    return [name for name in input_columns(bundle.model) if name not in known]


def refuse_rows(bundle: Bundle, rows: str) -> None:
    """Refuse rows where the model is trained on samples of a log.

    Args:
        bundle: The bundle, named ``new`` in the message.
        rows: The use of the rows, such as "fit".

    Raises:
        ValueError: It is.
    """
    if bundle.task in _LOADERS and (lacking := lacking_inputs(bundle)):
        raise ValueError(
            f"{rows} of {type(bundle.model).__name__} needs samples of the log, because its rows "
            f"have no {lacking[0]!r}: give a loader to new.fit(loader=...) or new.trainer.fit(), "
            f"such as loader = {_LOADERS[bundle.task]}"
        )


def saved_with(bundle: Bundle, given: Collection[str]) -> dict[str, Any]:
    """Return the options of `save` that a bundle of a log was saved with, as far as it has them.

    The items and their popularity are not among them: they are those of the newer vocabulary.

    Args:
        bundle: The bundle.
        given: The options that are given.

    Raises:
        ValueError: The items of the bundle have columns, and no items are given.
    """
    form = histories_of(bundle)
    found: dict[str, Any] = {}
    if form is None or bundle.task not in _LOADERS:
        return found
    columns = [name for name in bundle.parts["items"].frame.columns if name != form.item]
    if columns and "items" not in given:
        raise ValueError(
            f"the items of {bundle.path} have the columns {columns}, which new items need too: "
            "give items=, a table with one row for each old and new item"
        )
    found = {"item": form.item, "user": form.user, "time": form.time, "time_unit": form.time_unit}
    if bundle.task == "next_item":
        sequences = bundle.parts["sequences"].form
        return {**found, "length": sequences.length, "reference": sequences.reference}
    users, search = bundle.parts["users"], bundle.parts.get("embeddings")
    found |= {"length": users.length, "histories": dict(users.repeats)}
    if search is not None:
        found |= {"index": search.kind, "index_params": search.params}
    return found


def check_newer(bundle: Bundle, data: Any) -> None:
    """Refuse newer rows that the bundle's model cannot be trained on.

    Args:
        bundle: A bundle with a preprocessor.
        data: The rows. Of files nothing is checked before they are read.

    Raises:
        KeyError: A column of the log, or of labels, is missing.
        TypeError: The times are text.
        ValueError: A user, an item or a time is missing.
    """
    if not is_table(data):
        return
    if bundle.task in _LABELED:
        _check_labels(bundle, data)
    elif bundle.task in _LOADERS and lacking_inputs(bundle):
        _check_log(bundle, data)


def _check_labels(bundle: Bundle, data: Any) -> None:
    assert bundle.preprocessor is not None
    present = _names(data)
    for target in bundle.preprocessor.targets:
        if target.column not in present:
            raise KeyError(
                f"new_frame has no column {target.column!r}, the label of {bundle.path}: training "
                f"needs it; its columns are {present}"
            )


def _check_log(bundle: Bundle, data: Any) -> None:
    from ..data.interactions.columns import read_columns, refuse_missing, to_moments

    form = histories_of(bundle)
    if form is None:
        return
    named = {"user": form.user, "item": form.item, "time": form.time}
    present = _names(data)
    for argument, name in named.items():
        if name is not None and name not in present:
            raise KeyError(
                f"new_frame has no column {name!r}, the {argument} of the log that {bundle.path} "
                f"was saved with: rename that column, or add it; the columns are {present}"
            )
    names = [name for name in named.values() if name is not None]
    columns = read_columns(data, names)
    refuse_missing(columns, names)
    if form.time is not None:
        to_moments(columns[form.time], form.time, form.time_unit)


def _names(data: Any) -> list[Any]:
    names = getattr(data, "column_names", None)  # Arrow
    return list(getattr(data, "columns", data) if names is None else names)
