"""Fitted columns for people: their facts, and the raw values of ids."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .cells import Cells, distinct
from .columns import Categorical, Column, Embedding, Encoder, Hashed, MultiCategorical
from .columns.with_vocabulary import VocabularyEncoder
from .parsing import Declaration, cells_of
from .vocabulary import PADDING, Ids


def describe(columns: Sequence[Column], encoders: Mapping[str, Encoder]) -> pd.DataFrame:
    """Return a table with the facts of each column; see `Preprocessor.describe`."""
    facts = {
        c.input_name: {"kind": type(c).__name__, **encoders[c.input_name].facts()} for c in columns
    }
    table: pd.DataFrame = pd.DataFrame.from_dict(facts, orient="index")
    return table


def decode(encoder: Encoder, ids: Any) -> npt.NDArray[Any]:
    """Return the raw values of ids; see `Preprocessor.decode`.

    Raises:
        TypeError: Ids are no whole numbers.
        ValueError: The column has no vocabulary, or an id is outside it.
    """
    vocabulary = getattr(encoder, "vocabulary", None)
    if vocabulary is None:
        name = encoder.column.input_name
        raise ValueError(f"column {name!r} has no vocabulary: its inputs have no raw values")
    given = np.asarray(ids)
    if given.size and given.dtype.kind not in "iu":
        raise TypeError(f"ids must be whole numbers, got {given.dtype}")
    return np.asarray(vocabulary.raw(given))


def encode(encoder: Encoder, values: Any) -> Ids:
    """Return the ids of raw values; see `Preprocessor.encode`.

    Raises:
        ValueError: The column has no ids of single values, or a value does not fit it.
    """
    column = encoder.column
    if not isinstance(column, Categorical | Hashed | MultiCategorical) and not (
        isinstance(column, Embedding) and column.is_of_ids
    ):
        raise ValueError(
            f"column {column.input_name!r} is {type(column).__name__}, which has no ids of single "
            "values: encode whole rows with transform"
        )
    flat, shape = _flat(values)
    # read as a column of its own, so that values have the form of all other sources
    reading = Declaration((Categorical(column.column),), (), None)
    blocks = reading.read({column.column: flat}, False, {})
    ids = [_ids(encoder, cells_of(block, column.column)) for block, _ in blocks]
    return np.concatenate(ids).reshape(shape)


def _ids(encoder: Encoder, cells: Cells) -> Ids:
    column = encoder.column
    if isinstance(column, MultiCategorical):
        assert isinstance(encoder, VocabularyEncoder)
        found = distinct(cells)
        return found.ids(encoder.vocabulary.ids_of(found.values), PADDING)
    return encoder.encode(column.prepare({column.column: cells}))[column.input_name]


def _flat(values: Any) -> tuple[Any, tuple[int, ...]]:
    """Return values as a column, and their shape."""
    if isinstance(values, list | tuple):
        if not any(isinstance(value, list | tuple | np.ndarray) for value in values):
            return values, (len(values),)
        values = np.array(values, dtype=object)
        if any(isinstance(value, list | tuple | np.ndarray) for value in values.flat):
            raise ValueError(
                "lists of values must be of one length: encode whole rows with transform, which "
                "pads them"
            )
    if hasattr(values, "detach"):  # a tensor
        values = values.detach().cpu().numpy()
    if isinstance(values, np.ndarray):
        return values.reshape(-1), values.shape
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        return [values], ()
    return values, (len(values),)
