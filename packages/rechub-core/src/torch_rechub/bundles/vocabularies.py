"""Raw values as ids of a preprocessor's vocabulary."""

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .raw_ids import is_text

if TYPE_CHECKING:
    from ..data.preprocessing import Categorical, Preprocessor

Ids = npt.NDArray[np.int64]


def encode(
    preprocessor: "Preprocessor | None", name: str, values: Any, vocab_size: int | None = None
) -> Ids:
    """Return the ids of raw values, (N,); 1 for unknown ones.

    Args:
        preprocessor: The preprocessor; None where values are ids themselves.
        name: Name of the input.
        values: Raw values, (N,).
        vocab_size: Without a preprocessor, ids from it on are padding, 0.
    """
    in_bulk = is_text(values) or getattr(values, "dtype", None) == np.int64
    if preprocessor is not None:
        values = values if in_bulk else np.asarray(values, dtype=object)
        return preprocessor.encode(name, values).astype(np.int64)
    if in_bulk:
        ids = np.zeros(len(values), np.int64) if is_text(values) else np.maximum(values, 0)
    else:
        ids = np.array([value if _is_id(value) else 0 for value in values], dtype=np.int64)
    return ids if vocab_size is None else np.where(ids < vocab_size, ids, 0)


def _is_id(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= 0)


def counts_of(preprocessor: "Preprocessor", name: str) -> dict[Any, int]:
    """Return how often each value of a vocabulary occurred in the data that it was fitted on.

    Raises:
        KeyError: There is no such input.
        ValueError: The input has no vocabulary.
    """
    if name not in preprocessor.encoders:
        raise KeyError(
            f"the preprocessor has no input {name!r}, whose vocabulary the tokens are of; it has "
            f"{list(preprocessor.encoders)}"
        )
    vocabulary = getattr(preprocessor.encoders[name], "vocabulary", None)
    if vocabulary is None:
        raise ValueError(f"the input {name!r} has no vocabulary: raw ids need a Categorical column")
    values = vocabulary.raw(np.arange(vocabulary.size))
    known = [value for value in values if value is not None]
    return dict(zip(known, vocabulary.counts.tolist(), strict=True))


def preprocessor_of(vocabularies: Mapping[str, Any]) -> "Preprocessor":
    """Return the preprocessor that encodes as an `Interactions` or a `Split` did.

    Args:
        vocabularies: The values of each column in the order of their ids; see
            `Interactions.vocabularies`.

    Raises:
        ValueError: There are none.

    Example:
        >>> preprocessor_of({"item": np.array([9, 7])}).encode("item", [7, 9, 8]).tolist()
        [3, 2, 1]
    """
    from ..data.preprocessing import Categorical, Preprocessor

    if not vocabularies:
        raise ValueError(
            "the split has no vocabularies of its own: give the preprocessor that it was encoded by"
        )
    columns = [Categorical(name, missing="unknown") for name in vocabularies]
    encoders = {column.input_name: _encoder_of(column, vocabularies) for column in columns}
    return Preprocessor.of_encoders(columns, encoders)


def _encoder_of(column: "Categorical", vocabularies: Mapping[str, Any]) -> Any:
    """Return the encoder of values in a given order; it does not know how often each occurs."""
    from ..data.preprocessing import Preprocessor

    name = column.column
    values = np.asarray(vocabularies[name]).astype(object)
    fitted = Preprocessor([column]).fit({name: values})
    by_value = fitted.encode(name, values) - 2
    if len(np.unique(by_value)) != len(values):
        raise ValueError(f"the values of column {name!r} hold a number and its text, which are one")
    encoder: Any = fitted.encoders[name]
    vocabulary = replace(
        encoder.vocabulary,
        values=encoder.vocabulary.values.take(by_value),
        counts=np.zeros(len(values), dtype=np.int64),
    )
    return column.fitted(SimpleNamespace(n_rows=0, n_missing=0), vocabulary)
