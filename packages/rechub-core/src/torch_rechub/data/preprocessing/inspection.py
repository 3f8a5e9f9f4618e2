"""Fitted columns for people: their facts, and the raw values of ids."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .columns import Column, Encoder


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
