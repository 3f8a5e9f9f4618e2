"""Vocabularies of a log: values to ids, where 0 pads and 1 is unknown."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..fingerprint.columns import Given
from ..fingerprint.hashing import table_print
from ..fingerprint.mixing import text_digest
from ..origin import HasDigest, origin_of
from .columns import factorize, whole_numbers
from .log import Log

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]

UNKNOWN, FIRST = 1, 2  # the id of unknown values, and of the first value


def values_by_frequency(column: Array, name: str) -> Array:
    """Return the distinct values of a column, most frequent first, ties by value.

    Missing values have no id of their own: they are unknown.

    Example:
        >>> values_by_frequency(np.array(["b", "a", "c", "c"], dtype=object), "item").tolist()
        ['c', 'a', 'b']
    """
    codes, values = factorize(pd.Series(column).dropna(), name)
    count = np.bincount(codes, minlength=len(values))
    return values[np.argsort(-count, kind="stable")]


def encoded(log: Log, by: Any) -> Log:
    """Return a log with ids in place of values; see `Interactions.encode`."""
    if hasattr(by, "transform"):
        return _by_preprocessor(log, by)
    if not isinstance(by, Mapping):
        raise TypeError(
            "by must be the values of columns by name, such as train.count_values(), or a fitted "
            f"Preprocessor, got {type(by).__name__}"
        )
    values, columns = dict(log.entities), dict(log.columns)
    vocabularies = {name: np.asarray(vocabulary) for name, vocabulary in by.items()}
    for name, vocabulary in vocabularies.items():
        if name not in log.entities and name not in log.attributes:
            known = [*log.entities, *log.attributes]
            raise KeyError(f"there is no column {name!r} to encode: the columns are {known}")
        if name in log.sizes:
            raise ValueError(f"column {name!r} is encoded already")
        target = values if name in values else columns
        target[name] = _ids(target[name], vocabulary, name)
    sizes = {name: len(vocabulary) + FIRST for name, vocabulary in vocabularies.items()}
    return replace(
        log,
        entities=values,
        columns=columns,
        sizes={**log.sizes, **sizes},
        vocabularies={**log.vocabularies, **vocabularies},
    )


class LogDigest:
    """The digest of the vocabularies of a log, computed when it is read.

    Args:
        log: The log.
    """

    def __init__(self, log: Log) -> None:
        self._vocabularies, self._fitted = dict(log.vocabularies), log.fitted

    @property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        parts = [] if self._fitted is None else [self._fitted.digest]
        for name, values in sorted(self._vocabularies.items()):
            parts += [name, table_print([Given(name, "input", values)], len(values)).ordered]
        return text_digest(parts)


def vocabulary_of(log: Log) -> HasDigest | None:
    """Return the digest of the vocabularies of a log; None if its columns are not encoded."""
    return LogDigest(log) if log.vocabularies or log.fitted is not None else None


def _ids(column: Array, vocabulary: Array, name: str) -> Array:
    """Return the id of each value of a column, int32 as of a `Preprocessor`."""
    index = pd.Index(vocabulary, tupleize_cols=False)
    if not index.is_unique:
        twice = index[index.duplicated()].tolist()[0]
        raise ValueError(f"the values of column {name!r} hold {twice!r} twice")
    position = index.get_indexer(pd.Index(column, tupleize_cols=False))
    if len(position) and position.max() < 0:
        raise ValueError(
            f"not a single value of column {name!r} is known: it holds {column[:1].tolist()}, the "
            f"vocabulary {vocabulary[:1].tolist()}; are they of one type?"
        )
    ids: Array = position.astype(np.int32) + np.int32(FIRST)  # −1 becomes UNKNOWN
    return ids


def _by_preprocessor(log: Log, preprocessor: Any) -> Log:
    """Return a log with the inputs of a fitted preprocessor in place of its columns."""
    place = np.arange(len(log.row))
    table = preprocessor.transform({name: log.column(name, place) for name in log.names})
    features = {feature.name: feature for feature in preprocessor.features()}
    entities, columns, sizes = dict(log.entities), dict(log.columns), dict(log.sizes)
    for name in table:
        column = whole_numbers(np.asarray(table[name]), name)
        if name in sizes or name in (log.time_name, log.label_name):
            raise ValueError(
                f"column {name!r} is encoded already, or is the time or the label: give the "
                "column of the preprocessor another name"
            )
        size = getattr(features.get(name), "vocab_size", None)
        if size is not None:
            sizes[name] = size
        if name in entities:
            code = log.user if name == log.user_name else log.item
            entities[name] = np.zeros(len(entities[name]), dtype=column.dtype)
            entities[name][code] = column
        else:
            columns[name] = column
    fitted = origin_of(table).vocabulary
    return replace(log, entities=entities, columns=columns, sizes=sizes, fitted=fitted)
