"""One category a row: values become ids of a vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...._bounds import check_choice
from ....basic.features import SparseFeature
from ..cells import Cells, Distinct, distinct
from ..vocabulary import Vocabulary
from .base import Feature, Inputs
from .saved_settings import check_saved
from .with_vocabulary import ColumnWithVocabulary, CountedState, VocabularyEncoder, facts_of

if TYPE_CHECKING:
    import pyarrow as pa

OF_MISSING = ("own", "unknown", "error")


@dataclass(frozen=True)
class Categorical(ColumnWithVocabulary):
    """A column of categories, such as users, items or cities: one id a row.

    Id 0 pads, 1 is unknown; values follow from 2 in order of frequency, ties by value, so that the
    same data give the same ids. A whole number and its decimal text are one value.

    Args:
        column: Name of the raw column: text or whole numbers.
        min_count: Values that occur less often are unknown. With at least 2, training has unknown
            values, so that their embedding is learned.
        max_size: The largest number of values with an id of their own; None means all.
        missing: Missing cells (null, NaN, empty text): "own", an id of their own if they occur when
            fitting; "unknown", the id of unknown values; or "error".
        embed_dim: Width of the embedding; None means that of `Preprocessor.features`.
        shared_with: Name of the input whose vocabulary and embedding table are used; the values of
            both columns are counted in it, and its min_count, max_size and embed_dim hold for both.
        name: Name of the input; None means that of the raw column.

    Raises:
        ValueError: On fitting and encoding, a cell holds no category, such as a fraction or a date.

    Example:
        >>> from torch_rechub.data.preprocessing import Preprocessor
        >>> encoded = Preprocessor([Categorical("city")]).fit_transform({"city": ["b", "a", "b"]})
        >>> encoded["city"]
        array([2, 3, 2], dtype=int32)
    """

    missing: str = field(default="own", kw_only=True)

    def check(self) -> None:
        """Check the arguments."""
        super().check()
        check_choice(OF_MISSING, missing=self.missing)

    @property
    def own_missing(self) -> bool:
        """Whether missing cells have an id of their own."""
        return self.missing == "own"

    def prepare(self, cells: Mapping[str, Cells]) -> Distinct:
        """Find the distinct values of a block.

        Raises:
            ValueError: A cell holds no category, or is missing though that is an error.
        """
        found = distinct(cells[self.column])
        if self.missing == "error" and found.n_missing:
            row = int((found.codes < 0).argmax())
            cells[self.column].refuse(
                "is missing", row, 'fill or drop such rows, or choose missing="own" or "unknown"'
            )
        return found

    def new_state(self) -> "CategoricalState":
        """Return the counts of no cells."""
        return CategoricalState()

    def fitted(self, state: Any, vocabulary: Vocabulary | None) -> "CategoricalEncoder":
        """Return the encoder with a vocabulary."""
        assert vocabulary is not None
        return CategoricalEncoder(self, vocabulary, state.n_rows, state.n_missing)

    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> "CategoricalEncoder":
        """Return the saved encoder."""
        check_saved(settings)
        assert vocabulary is not None
        return CategoricalEncoder(self, vocabulary, settings["rows"], settings["missing"])


class CategoricalState(CountedState):
    """The counts of categories."""

    def observe(self, prepared: Distinct) -> None:
        """Add the cells of a block."""
        self.counts.add(prepared)
        self.n_rows += len(prepared.codes)
        self.n_missing += prepared.n_missing


class CategoricalEncoder(VocabularyEncoder):
    """A column with its vocabulary."""

    def __init__(
        self, column: Categorical, vocabulary: Vocabulary, n_rows: int, n_missing: int
    ) -> None:
        self.column, self.vocabulary = column, vocabulary
        self.n_rows, self.n_missing = n_rows, n_missing

    def encode(self, prepared: Distinct) -> Inputs:
        """Return the id of each cell, shape (N,)."""
        missing = self.vocabulary.missing_id if self.column.own_missing else 1
        of_value = self.vocabulary.ids_of(prepared.values)
        return {self.column.input_name: prepared.ids(of_value, missing)}

    def features(self, embed_dim: int | None) -> list[Feature]:
        """Return the one feature."""
        column = self.column
        dim = column.embed_dim or embed_dim
        size = self.vocabulary.size
        return [SparseFeature(column.input_name, size, dim, shared_with=column.shared_with)]

    def facts(self) -> dict[str, Any]:
        """Return sizes and shares."""
        return facts_of(self.vocabulary, self.n_rows, self.n_missing)

    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return the counts of rows; the vocabulary is saved with its owner."""
        return {"rows": self.n_rows, "missing": self.n_missing}, {}
