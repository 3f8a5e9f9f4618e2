"""Several categories a row: lists, or text with a separator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...._bounds import check_choice, check_whole
from ....basic.features import POOLINGS, SequenceFeature
from ..cells import MISSING, Cells, Codes, Distinct, distinct
from ..vocabulary import PADDING, Ids, Vocabulary
from .base import Feature, Inputs
from .saved_settings import check_saved
from .with_vocabulary import ColumnWithVocabulary, CountedState, VocabularyEncoder, facts_of

if TYPE_CHECKING:
    import pyarrow as pa

KEPT = ("first", "last")

Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lists:
    """The lists of N cells: D distinct ones, and which of them each cell holds.

    Attributes:
        tokens: The tokens of the D lists, one list after the other.
        lengths: Number of tokens of each list, shape (D,).
        rows: The list of each cell, shape (N,).
    """

    tokens: Distinct
    lengths: Lengths
    rows: Codes

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class MultiCategorical(ColumnWithVocabulary):
    """A column of several categories a row, such as genres or tags, as ids of shape (N, L).

    Ids are those of `Categorical`; rows are padded with 0 on the right. Missing cells and empty
    lists are all padding; missing and empty tokens are left out.

    Args:
        column: Name of the raw column: lists, or text with a separator.
        separator: The separator of text, such as "|"; blanks around tokens do not count. None
            means that the cells are lists.
        max_length: The length L; None means that of the longest row when fitting.
        keep: Which tokens of longer rows are kept: "first" or "last".
        pooling: How embeddings of a row are pooled: "mean", "sum" or "concat" (not at all).
        min_count: Values that occur less often are unknown.
        max_size: The largest number of values with an id of their own; None means all.
        embed_dim: Width of the embedding; None means that of `Preprocessor.features`.
        shared_with: Name of the input whose vocabulary and embedding table are used; the values of
            both columns are counted in it, and its min_count, max_size and embed_dim hold for both.
        name: Name of the input; None means that of the raw column.

    Raises:
        ValueError: On fitting and encoding, cells are text though no separator is given.

    Example:
        >>> from torch_rechub.data.preprocessing import Preprocessor
        >>> genres = Preprocessor([MultiCategorical("genres", separator="|")])
        >>> genres.fit_transform({"genres": ["Drama|War", "Drama", None]})["genres"]
        array([[2, 3],
               [2, 0],
               [0, 0]], dtype=int32)
    """

    separator: str | None = field(default=None, kw_only=True)
    max_length: int | None = field(default=None, kw_only=True)
    keep: str = field(default="first", kw_only=True)
    pooling: str = field(default="mean", kw_only=True)

    def check(self) -> None:
        """Check the arguments."""
        super().check()
        check_whole(1, max_length=self.max_length)
        check_choice(KEPT, keep=self.keep)
        check_choice(POOLINGS, pooling=self.pooling)
        if self.separator is not None and (
            not isinstance(self.separator, str) or not self.separator
        ):
            raise ValueError(f"separator must be a text such as '|', got {self.separator!r}")

    def prepare(self, cells: Mapping[str, Cells]) -> Lists:
        """Split the cells of a block into tokens."""
        import pyarrow as pa

        own = cells[self.column]
        kind = own.array.type
        if any(test(kind) for test in (pa.types.is_list, pa.types.is_large_list)) or (
            pa.types.is_fixed_size_list(kind)
        ):
            return self._of_lists(own)
        if not self.splits_text and not pa.types.is_null(kind):
            raise ValueError(
                f"{own.where(0)} {kind} is no type of lists: give the separator of tokens, such as "
                'separator="|", or convert the column to lists'
            )
        return self._of_text(own)

    def _of_lists(self, cells: Cells) -> Lists:
        import pyarrow.compute as pc

        lengths = pc.fill_null(pc.list_value_length(cells.array), 0).to_numpy(zero_copy_only=False)
        ends = np.cumsum(lengths)
        tokens = cells.with_array(
            cells.array.drop_null().flatten(),
            lambda token: int(np.searchsorted(ends, token, side="right")),
        )
        rows = np.arange(len(cells), dtype=np.int32)
        return _without_missing(distinct(tokens), lengths.astype(np.int64), rows)

    def _of_text(self, cells: Cells) -> Lists:
        """Split each distinct text once."""
        import pyarrow as pa

        texts = distinct(cells)
        lists = [self.tokens(text) for text in texts.values.cast(pa.large_string()).to_pylist()]
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        flat = pa.array([token for tokens in lists for token in tokens], pa.large_string())
        # missing cells have the last list, which is empty
        rows = np.where(texts.codes == MISSING, len(lists), texts.codes).astype(np.int32)
        tokens = distinct(cells.with_array(flat))
        return _without_missing(tokens, np.append(lengths, 0), rows)

    @property
    def splits_text(self) -> bool:
        """Whether cells of text are split."""
        return self.separator is not None

    @property
    def has_lists(self) -> bool:
        """Whether all cells are lists."""
        return not self.splits_text

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of a text."""
        assert self.separator is not None
        return [token.strip() for token in text.split(self.separator)]

    def new_state(self) -> "ListsState":
        """Return the counts of no cells."""
        return ListsState()

    def fitted(self, state: Any, vocabulary: Vocabulary | None) -> "ListsEncoder":
        """Return the encoder with a vocabulary and a length."""
        assert vocabulary is not None
        length = self.max_length or max(state.longest, 1)
        return ListsEncoder(self, vocabulary, length, state.n_rows, state.n_missing)

    def restored(
        self,
        settings: Mapping[str, Any],
        tables: "Mapping[str, pa.Table]",
        vocabulary: Vocabulary | None,
    ) -> "ListsEncoder":
        """Return the saved encoder."""
        check_saved(settings, whole=("rows", "missing", "length"))
        check_whole(1, length=settings["length"])
        assert vocabulary is not None
        rows = (settings["rows"], settings["missing"])
        return ListsEncoder(self, vocabulary, settings["length"], *rows)


def _without_missing(tokens: Distinct, lengths: Lengths, rows: Codes) -> Lists:
    """Leave out missing tokens."""
    present = tokens.codes != MISSING
    if not present.all():
        owner = np.repeat(np.arange(len(lengths)), lengths)
        lengths = np.bincount(owner[present], minlength=len(lengths))
        tokens = Distinct(tokens.values, tokens.codes[present])
    return Lists(tokens, lengths, rows)


class ListsState(CountedState):
    """The counts of tokens, and the length of the longest row."""

    def __init__(self) -> None:
        super().__init__()
        self.longest = 0

    def observe(self, prepared: Lists) -> None:
        """Add the cells of a block."""
        times = np.bincount(prepared.rows, minlength=len(prepared.lengths))
        of_token = np.repeat(times, prepared.lengths)
        n_values = len(prepared.tokens.values)
        counts = np.bincount(prepared.tokens.codes, of_token, n_values).astype(np.int64)
        self.counts.add_counts(prepared.tokens.values, counts)
        self.n_rows += len(prepared)
        self.n_missing += int(times[prepared.lengths == 0].sum())
        self.longest = max(self.longest, int(prepared.lengths.max(initial=0)))

    def merge(self, other: Any) -> None:
        """Add the counts of another."""
        super().merge(other)
        self.longest = max(self.longest, other.longest)


class ListsEncoder(VocabularyEncoder):
    """A column with its vocabulary and its length."""

    column: MultiCategorical

    def __init__(
        self,
        column: MultiCategorical,
        vocabulary: Vocabulary,
        length: int,
        n_rows: int,
        n_missing: int,
    ) -> None:
        self.column, self.vocabulary, self.length = column, vocabulary, length
        self.n_rows, self.n_missing = n_rows, n_missing

    def encode(self, prepared: Lists) -> Inputs:
        """Return the ids of each cell, shape (N, L)."""
        of_value = self.vocabulary.ids_of(prepared.tokens.values)
        ids = padded(of_value[prepared.tokens.codes], prepared.lengths, self.length, self._last)
        return {self.column.input_name: ids[prepared.rows]}

    @property
    def _last(self) -> bool:
        return self.column.keep == "last"

    def features(self, embed_dim: int | None) -> list[Feature]:
        """Return the one feature."""
        column = self.column
        return [
            SequenceFeature(
                column.input_name,
                self.vocabulary.size,
                column.embed_dim or embed_dim,
                pooling=column.pooling,
                shared_with=column.shared_with,
                padding_idx=PADDING,
            )
        ]

    def facts(self) -> dict[str, Any]:
        """Return sizes, shares and the length."""
        found = facts_of(self.vocabulary, self.n_rows, self.n_missing)
        return found | {"length": self.length}

    def saved(self) -> "tuple[dict[str, Any], dict[str, pa.Table]]":
        """Return counts and length; the vocabulary is saved with its owner."""
        return {"rows": self.n_rows, "missing": self.n_missing, "length": self.length}, {}


def padded(ids: Ids, lengths: Lengths, length: int, last: bool) -> Ids:
    """Return lists that lie one after the other as rows of one length, padded on the right."""
    kept = np.minimum(lengths, length)
    ends = np.cumsum(lengths)
    first = ends - kept if last else ends - lengths
    place = np.arange(length)
    inside = place < kept[:, None]
    found = np.zeros((len(lengths), length), np.int32)
    found[inside] = ids[(first[:, None] + place)[inside]]
    return found
