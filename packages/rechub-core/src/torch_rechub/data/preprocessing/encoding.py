"""Parsed blocks to inputs, in memory or as shards on disk."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from ...types import FilePath
from ..origin import Origin
from .columns import Column, Encoder
from .columns.base import Inputs
from .columns.with_vocabulary import VocabularyEncoder
from .digest import FittedDigest
from .encoded_table import Array, EncodedTable
from .parsing import Declaration, Parsed, in_threads

if TYPE_CHECKING:
    import pyarrow as pa

    from ..streaming import ShardedTable

log = logging.getLogger("torch_rechub.data")

_FEW_VALUES = 10  # of so few values, all unknown is no reason to warn


class Encoding:
    """Encodes parsed blocks, and counts unknown values.

    Attributes:
        fitted: The digest of the fitted columns.
        unknown: Number of unknown values of each input that has some.

    Args:
        columns: The columns.
        encoders: The fitted columns, by name of the input.
    """

    def __init__(self, columns: Sequence[Column], encoders: Mapping[str, Encoder]) -> None:
        self.fitted = FittedDigest(columns, encoders)
        self.encoders = [encoders[column.input_name] for column in columns]
        self.names = [column.input_name for column in columns]
        self.unknown: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def inputs(self, parsed: Parsed) -> Inputs:
        """Return the inputs of a block."""
        pairs = list(zip(self.encoders, parsed.prepared, strict=True))
        found = in_threads(lambda pair: pair[0].encode(pair[1]), pairs)
        for name, encoder, inputs in zip(self.names, self.encoders, found, strict=True):
            unknown, values = encoder.unknown(inputs)
            self._seen[name] = self._seen.get(name, 0) + values
            if unknown:
                self.unknown[name] = self.unknown.get(name, 0) + unknown
        return {name: values for inputs in found for name, values in inputs.items()}

    def warn(self) -> None:
        """Warn of columns whose values are all unknown."""
        for name, unknown in self.unknown.items():
            if unknown != self._seen[name] or unknown < _FEW_VALUES:
                continue
            if self._is_empty(name):
                log.warning(
                    "column %r: all %d values are unknown, since its vocabulary is empty: fewer "
                    "than min_count rows have any value; lower min_count, or leave the column out",
                    name,
                    unknown,
                )
                continue
            log.warning(
                "column %r: all %d values are unknown to the vocabulary; is it the column that "
                "the preprocessor was fitted on, in the same form?",
                name,
                unknown,
            )

    def _is_empty(self, name: str) -> bool:
        """Whether a column has a vocabulary without values."""
        encoder = self.encoders[self.names.index(name)]
        return isinstance(encoder, VocabularyEncoder) and not len(encoder.vocabulary.values)


def in_memory(blocks: Iterable[Parsed], encoding: Encoding) -> EncodedTable:
    """Return the rows of all blocks in memory."""
    parts: list[Inputs] = []
    labels: list[Array | None] = []
    weights: list[Array | None] = []
    for parsed in blocks:
        parts.append(encoding.inputs(parsed))
        labels.append(parsed.y)
        weights.append(parsed.weights)
    encoding.warn()
    names = list(parts[0]) if parts else []
    columns = in_threads(lambda name: _joined([part[name] for part in parts]), names)
    inputs = dict(zip(names, columns, strict=True))
    table = EncodedTable(inputs, _all(labels), _all(weights), encoding.unknown)
    table.origin = Origin(vocabulary=encoding.fitted)
    return table


def handed_out(blocks: list[Parsed]) -> Iterator[Parsed]:
    """Yield the blocks, and free each after use."""
    blocks.reverse()
    while blocks:
        yield blocks.pop()


def _all(parts: list[Array | None]) -> Array | None:
    there = [part for part in parts if part is not None]
    return _joined(there) if there else None


def _joined(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def on_disk(
    blocks: Iterable[Parsed], encoding: Encoding, out: FilePath, declaration: Declaration
) -> "ShardedTable":
    """Write the rows of all blocks as Parquet shards.

    Raises:
        ValueError: There are no rows.
    """
    from ..streaming import ShardedTable, ShardWriter

    writer: ShardWriter | None = None
    with ExitStack() as stack:
        for parsed in blocks:
            table, labels, weight = _as_table(encoding.inputs(parsed), parsed, declaration)
            if writer is None:
                vocabulary = encoding.fitted.digest
                made = ShardWriter(out, labels=labels, weight=weight, vocabulary=vocabulary)
                writer = stack.enter_context(made)
            writer.write(table)
    if writer is None:
        raise ValueError("there are no rows to encode: the data are empty")
    encoding.warn()
    table = ShardedTable(out)
    table.unknown = encoding.unknown
    return table


def _as_table(
    inputs: Inputs, parsed: Parsed, declaration: Declaration
) -> "tuple[pa.Table, list[str], str | None]":
    """Return a block as an Arrow table, the names of its labels, and that of its weights."""
    import pyarrow as pa

    columns = {name: _arrow(values) for name, values in inputs.items()}
    labels: list[str] = []
    if parsed.y is not None:
        labels = [target.label_name for target in declaration.targets]
        columns |= dict(zip(labels, map(_arrow, np.atleast_2d(parsed.y.T)), strict=True))
    weight = None if parsed.weights is None else declaration.weight
    if weight is not None and parsed.weights is not None:
        columns[weight] = _arrow(parsed.weights)
    return pa.table(columns), labels, weight


def _arrow(values: Array) -> "pa.Array":
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(values).ravel())
    if values.ndim == 1:
        return flat
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
