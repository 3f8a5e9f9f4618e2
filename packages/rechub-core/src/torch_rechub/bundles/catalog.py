"""`Catalog`: the items that a bundle recommends, with raw ids, columns and popularity."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from .._extras import require
from .errors import BundleError
from .frames import as_frame, plain, require_column
from .raw_ids import IdRows

Ids: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Filter: TypeAlias = Callable[[pd.DataFrame], Any] | Collection[Any] | None

FOLDER = "items"
FILE = f"{FOLDER}/items.arrow"
POPULARITY = "rechub_popularity"


class Catalog:
    """N items, numbered from 0 in the order of their rows.

    Args:
        item: The column of the raw ids.
        frame: One row for each item, with raw columns.
        popularity: How often each item occurs, (N,), or by raw id; None counts all alike.

    Raises:
        KeyError: The frame lacks the column.
        ValueError: An id is missing or occurs twice, or a popularity is negative or not finite.

    Example:
        >>> items = Catalog("item", {"item": ["a", "b"], "price": [3, 5]})
        >>> items.rows_of(["b", "z"]), items.mask(lambda frame: frame.price < 4)
        (array([ 1, -1]), array([ True, False]))
    """

    def __init__(self, item: str, frame: Any, popularity: Any = None) -> None:
        self.item, self.frame = item, as_frame(frame, "items")
        self.ids: npt.NDArray[Any] = require_column(self.frame, item, "items").to_numpy()
        self._rows = IdRows(self.ids)
        keys = self._rows.keys
        if (missing := keys.isna()).any():
            raise ValueError(f"items has no id in row {int(missing.argmax())} of column {item!r}")
        if (twice := keys.duplicated()).any():
            row = int(twice.argmax())
            raise ValueError(
                f"items has {plain(self.ids[row])!r} twice, again in row {row}: give one row for "
                "each item"
            )
        self._use_whole_ids()
        self.popularity = self._counts(popularity)

    def _use_whole_ids(self) -> None:
        """Store ids as integers that a table with missing cells made floats."""
        ids = self.ids
        if ids.dtype.kind == "f" and (ids == np.trunc(ids)).all() and (abs(ids) < 2**53).all():
            self.ids = ids.astype(np.int64)
            self.frame = self.frame.assign(**{self.item: self.ids})

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def column(self) -> Any:
        """The raw ids as an array of pandas, which takes many of them at a time."""
        return pd.Series(self.ids).array

    def rows_of(self, ids: Any) -> Ids:
        """Return the row of each raw id, −1 for ids that are no items."""
        return self._rows.of(ids)

    def known_rows_of(self, ids: Any) -> Ids:
        """Return the row of each raw id.

        Raises:
            KeyError: One is no item.
        """
        ids = [ids] if isinstance(ids, str) or not hasattr(ids, "__len__") else list(ids)
        rows = self.rows_of(ids)
        if (rows < 0).any():
            wrong = plain(ids[int((rows < 0).argmax())])
            raise KeyError(f"{wrong!r} is not one of the {len(self)} items of the bundle")
        return rows

    def mask(self, chosen: Filter) -> Mask:
        """Return the items that a filter allows, (N,).

        Args:
            chosen: A function of the frame of items to booleans, the allowed raw ids, or None for
                all items.

        Raises:
            KeyError: The function reads a column that the items do not have.
            TypeError: The filter is neither, or the function returns no booleans.
            ValueError: It does not return one for each item.
        """
        if chosen is None:
            return np.ones(len(self), dtype=bool)
        if not callable(chosen):
            _check_ids(chosen)
            mask = np.zeros(len(self), dtype=bool)
            rows = self.rows_of(list(chosen))
            mask[rows[rows >= 0]] = True
            return mask
        try:
            found = np.asarray(chosen(self.frame))
        except (AttributeError, KeyError) as error:
            kind = KeyError if isinstance(error, KeyError) else AttributeError
            columns = list(self.frame.columns)
            raise kind(f"filter raised {error!r}: the columns of items are {columns}") from error
        if found.dtype != bool:
            raise TypeError(f"filter must return booleans, got {found.dtype}")
        if found.shape != (len(self),):
            raise ValueError(
                f"filter must return one boolean for each of {len(self)} items, got the shape "
                f"{found.shape}"
            )
        return found

    def _counts(self, given: Any) -> npt.NDArray[np.float64]:
        if given is None:
            return np.zeros(len(self))
        if isinstance(given, Mapping):
            counts = np.zeros(len(self))
            rows = self.rows_of(list(given))
            counts[rows[rows >= 0]] = np.asarray(list(given.values()), dtype=float)[rows >= 0]
        else:
            counts = np.asarray(given, dtype=float)
        if counts.shape != (len(self),):
            raise ValueError(
                f"popularity must have one number for each of {len(self)} items, got the shape "
                f"{counts.shape}"
            )
        if not (np.isfinite(counts) & (counts >= 0)).all():
            raise ValueError("popularity must be finite and at least 0")
        return counts

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the items below a folder; return the settings to read them."""
        require("pyarrow", "items of a bundle", "data")
        import pyarrow as pa
        from pyarrow import feather

        if POPULARITY in self.frame.columns:
            raise BundleError(f"items has a column {POPULARITY!r}, which is reserved: rename it")
        try:
            table = pa.Table.from_pandas(self.frame, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise BundleError(f"the columns of items cannot be saved: {error}") from error
        table = table.append_column(POPULARITY, pa.array(self.popularity))
        (folder / FOLDER).mkdir(exist_ok=True)
        feather.write_feather(table.replace_schema_metadata(None), str(folder / FILE))
        return {"item": self.item}

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> "Catalog":
        """Read the items; see `write`.

        Raises:
            BundleError: The file or a setting is not as written.
        """
        require("pyarrow", "items of a bundle", "data")
        import pyarrow as pa
        from pyarrow import feather

        try:
            table = feather.read_table(str(folder / FILE)).replace_schema_metadata(None)
            frame = table.to_pandas()
            return cls(settings["item"], frame.drop(columns=POPULARITY), frame[POPULARITY])
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
            raise BundleError(f"{folder / FILE} is not as written: {error}") from error


def _check_ids(chosen: Any) -> None:
    """Refuse filters that are neither functions nor raw ids.

    Raises:
        TypeError: It is text, one id, a table, or booleans.
    """
    no_ids = isinstance(chosen, str | bytes) or hasattr(chosen, "columns")
    is_mask = str(getattr(chosen, "dtype", "")) == "bool"
    if no_ids or is_mask or not isinstance(chosen, Iterable):
        raise TypeError(
            "filter must be a function of the frame of items to booleans, such as lambda frame: "
            f"frame['price'] < 10, or a list of raw ids, got {plain(chosen)!r}"
        )
