"""Given vectors: a column of them, or those of ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...._bounds import check_choice, check_whole
from ....basic.features import DenseFeature, SparseFeature
from ....basic.initializers import Pretrained
from ...reading.memory import arrow_column
from ..cells import Cells, Distinct, distinct
from ..numeric_cells import vectors
from ..vocabulary import FIRST, UNKNOWN, Vocabulary
from .base import Column, Encoder, Feature, Inputs, NoState, ReadAs, State, check_bool
from .saved_settings import check_saved
from .with_vocabulary import unknown_ids

if TYPE_CHECKING:
    import pyarrow as pa

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Embedding(Column):
    """Vectors that are given, such as those of texts or images.

    Without `vectors`, the cells of the column are vectors of one width D: a dense input (N, D).
    With `vectors`, the cells are ids whose vectors are looked up: an input of ids (N,), whose
    feature starts with these vectors. Unknown and missing ids have id 1 and the mean vector.

    Args:
        column: Name of the raw column.
        vectors: The vector of each id: a dict, or an Arrow table or the path of a Parquet file with
            two columns, ids and lists of numbers. None means that the cells are vectors.
        trainable: Whether vectors of ids are trained.
        missing: Missing vectors: "error", or "zeros".
        name: Name of the input; None means that of the raw column.

    Raises:
        ValueError: Vectors differ in width, are not finite, or one is missing.

    Example:
        >>> from torch_rechub.data.preprocessing import Preprocessor
        >>> movies = Preprocessor([Embedding("movie", vectors={7: [0.1, 0.2], 9: [0.3, 0.4]})])
        >>> movies.fit_transform({"movie": [9, 7, 8]})["movie"], movies.features()[0].vocab_size
        (array([3, 2, 1], dtype=int32), 4)
    """

    vectors: Any = field(default=None, kw_only=True, repr=False)
    trainable: bool = field(default=False, kw_only=True)
    missing: str = field(default="error", kw_only=True)

    read_as: ClassVar[ReadAs] = "any"

    def check(self) -> None:
        """Check the arguments."""
        check_choice(("error", "zeros"), missing=self.missing)
        check_bool(trainable=self.trainable)

    @property
    def is_of_ids(self) -> bool:
        """Whether cells are ids."""
        return self.vectors is not None

    @property
    def has_lists(self) -> bool:
        """Whether all cells are lists."""
        return not self.is_of_ids

    def prepare(self, cells: Mapping[str, Cells]) -> Distinct | Vectors:
        """Parse the cells of a block."""
        own = cells[self.column]
        return distinct(own) if self.is_of_ids else vectors(own, self.missing == "zeros")

    def new_state(self) -> State:
        """Return the statistics of no cells."""
        return IdsState() if self.is_of_ids else VectorsState(self.column)

    def fitted(self, state: Any, vocabulary: Vocabulary | None) -> Encoder:
        """Return the encoder."""
        if not self.is_of_ids:
            if state.width is None:
                raise ValueError(f"column {self.column!r} has no vector in {state.n_rows} rows")
            return VectorsEncoder(self, state.width, state.n_rows)
        ids, table = _given(self.vectors, self.column)
        found = Vocabulary(ids, np.zeros(len(ids), np.int64))
        return IdsEncoder(self, found, table, state.n_rows, state.n_missing)

    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> Encoder:
        """Return the saved encoder."""
        if "width" in settings:
            check_saved(settings, whole=("rows", "width"))
            check_whole(1, width=settings["width"])
            return VectorsEncoder(self, settings["width"], settings["rows"])
        check_saved(settings)
        # with the vectors in place of their path, so that it can be fitted again
        column = replace(self, vectors=tables["vectors"])
        ids, table = _given(column.vectors, self.column)
        found = Vocabulary(ids, np.zeros(len(ids), np.int64))
        return IdsEncoder(column, found, table, settings["rows"], settings["missing"])

    def settings(self) -> dict[str, Any]:
        """Return the arguments; vectors are saved as a table."""
        return super().settings() | {"vectors": "saved" if self.is_of_ids else None}


def _given(given: Any, column: str) -> "tuple[pa.Array, Vectors]":
    """Return the ids and vectors of a dict or a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = "the table of vectors"
    if isinstance(given, Mapping):
        lists = [np.asarray(vector, dtype=np.float32).tolist() for vector in given.values()]
        ids = arrow_column(list(given), f"{column} (ids of vectors)", as_text=True)
        table = pa.table({"id": ids, "vector": pa.array(lists)})
    elif isinstance(given, pa.Table):
        table = given
    else:
        source = str(given)
        try:
            table = pq.read_table(given)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{source} is no Parquet file, or damaged: {error}") from error
    if table.num_columns != 2 or not table.num_rows:
        raise ValueError(
            f"column {column!r}: {source} must have two columns, ids and lists of numbers, and at "
            f"least one row, got {table.num_rows} rows of {table.column_names}"
        )
    return _columns_of(table, column)


def _columns_of(table: "pa.Table", column: str) -> "tuple[pa.Array, Vectors]":
    import pyarrow as pa

    table = table.combine_chunks()
    ids = table.column(0).combine_chunks()
    if pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_decode()  # so that distinct ids lie in the order of the table
    found = distinct(Cells(ids, f"{column} (ids of vectors)"))
    if found.n_missing or len(found.values) < len(found.codes):
        raise ValueError(
            f"the vectors of column {column!r} have {found.n_missing} missing ids and "
            f"{len(found.codes) - found.n_missing - len(found.values)} repeated ones: give one "
            "vector for each id"
        )
    cells = Cells(table.column(1).combine_chunks(), f"{column} (vectors)")
    # distinct values lie in the order of first occurrence, which is that of the table
    return found.values, vectors(cells, fill=False)


class IdsState(NoState):
    """Counts of rows and of missing ids."""

    def __init__(self) -> None:
        super().__init__(missing=-1)

    def observe(self, prepared: Any) -> None:
        """Add the cells of a block."""
        super().observe(prepared.codes)


class VectorsState(State):
    """The width of vectors, and the number of rows."""

    def __init__(self, column: str) -> None:
        self.column, self.n_rows = column, 0
        self.width: int | None = None

    def observe(self, prepared: Vectors) -> None:
        """Add the cells of a block."""
        self.n_rows += len(prepared)
        if prepared.shape[1]:  # 0 where all are missing
            self._agree(prepared.shape[1])

    def _agree(self, width: int | None) -> None:
        if width is not None and self.width not in (None, width):
            raise ValueError(
                f"column {self.column!r} has vectors of {self.width} numbers, and later of {width}"
            )
        self.width = width if self.width is None else self.width

    def merge(self, other: "VectorsState") -> None:
        """Add the counts of another."""
        self.n_rows += other.n_rows
        self._agree(other.width)


class VectorsEncoder(Encoder):
    """A column of vectors."""

    def __init__(self, column: Embedding, width: int, n_rows: int) -> None:
        self.column, self.width, self.n_rows = column, width, n_rows

    def encode(self, prepared: Vectors) -> Inputs:
        """Return the vectors, shape (N, D)."""
        if not prepared.shape[1]:  # all are missing
            prepared = np.zeros((len(prepared), self.width), np.float32)
        if prepared.shape[1] != self.width:
            raise ValueError(
                f"column {self.column.column!r} has vectors of {prepared.shape[1]} numbers, but "
                f"was fitted on vectors of {self.width}"
            )
        return {self.column.input_name: prepared}

    def features(self, embed_dim: int | None) -> list[Feature]:
        """Return the dense feature."""
        return [DenseFeature(self.column.input_name, self.width)]

    def facts(self) -> dict[str, Any]:
        """Return the number of rows and the width."""
        return {"rows": self.n_rows, "missing": 0, "size": self.width}

    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return the width."""
        return {"rows": self.n_rows, "width": self.width}, {}


class IdsEncoder(Encoder):
    """A column of ids whose vectors are given."""

    def __init__(
        self, column: Embedding, vocabulary: Vocabulary, table: Vectors, n_rows: int, n_missing: int
    ) -> None:
        self.column, self.vocabulary, self.table = column, vocabulary, table
        self.n_rows, self.n_missing = n_rows, n_missing

    def encode(self, prepared: Distinct) -> Inputs:
        """Return the ids, shape (N,)."""
        of_value = self.vocabulary.ids_of(prepared.values)
        return {self.column.input_name: prepared.ids(of_value, UNKNOWN)}

    def unknown(self, inputs: Inputs) -> tuple[int, int]:
        """Return the number of unknown ids, and that of all."""
        return unknown_ids(inputs[self.column.input_name])

    def features(self, embed_dim: int | None) -> list[Feature]:
        """Return the feature, with a table of zeros for padding, the mean, and the vectors."""
        mean = self.table.mean(axis=0, dtype=np.float64).astype(np.float32)
        weight = np.concatenate([np.zeros((1, len(mean)), np.float32), mean[None], self.table])
        initial = Pretrained(weight, freeze=not self.column.trainable)
        name, (size, width) = self.column.input_name, weight.shape
        return [SparseFeature(name, size, width, initializer=initial)]

    def facts(self) -> dict[str, Any]:
        """Return counts and the number of ids."""
        size = FIRST + len(self.table)
        return {"rows": self.n_rows, "missing": self.n_missing, "size": size}

    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return counts, and the table of ids and vectors."""
        import pyarrow as pa

        lists = pa.FixedSizeListArray.from_arrays(pa.array(self.table.ravel()), self.table.shape[1])
        table = pa.table({"id": self.vocabulary.values, "vector": lists})
        return {"rows": self.n_rows, "missing": self.n_missing}, {"vectors": table}
