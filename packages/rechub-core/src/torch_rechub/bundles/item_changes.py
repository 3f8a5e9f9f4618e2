"""Changes of the items of a loaded bundle, and saving it with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..types import FilePath
from .bundle import Bundle
from .catalog import Catalog
from .frames import as_frame, plain, require_column
from .item_types import typed_like
from .saving import write_bundle


class ChangesItems(Bundle):
    """A bundle whose items can be added, removed and updated in memory."""

    @property
    def items(self) -> Catalog:
        """The items."""
        catalog: Catalog = self.parts["items"]
        return catalog

    def add_items(self, items: Any, popularity: Any = None) -> None:
        """Add items; those that the model does not know are recommended by popularity only.

        Args:
            items: Raw rows with all columns of the bundle's items, of their types or of others that
                become these without loss, such as 6002.0 or "6002" for whole numbers.
            popularity: The count of each; None means 0.

        Raises:
            KeyError: A column is missing.
            ValueError: An id is an item already, or occurs twice, or a cell has another type.
        """
        self._use(added_to(self.items, items, popularity))

    def remove_items(self, item_ids: Any) -> None:
        """Remove items by raw id; the model still knows them in histories.

        Raises:
            KeyError: An id is no item.
        """
        rows = self.items.known_rows_of(item_ids)
        self._use(chosen_of(self.items, np.setdiff1d(np.arange(len(self.items)), rows)))

    def update_items(self, items: Any, popularity: Any = None) -> None:
        """Replace the columns of items by those of raw rows of the same ids.

        Args:
            items: Raw rows; see `add_items`.
            popularity: The count of each; None keeps those of before.

        Raises:
            KeyError: An id is no item, or a column is missing.
            ValueError: An id occurs twice, or a cell has another type.
        """
        before = self.items
        frame = as_frame(items, "items")
        rows = before.known_rows_of(require_column(frame, before.item, "items"))
        counts = before.popularity.copy()
        given = Catalog(before.item, _with_columns(frame, before), popularity)
        if popularity is not None:
            counts[rows] = given.popularity
        place = np.arange(len(before))
        place[rows] = len(before) + np.arange(len(rows))
        whole = pd.concat([before.frame, given.frame], ignore_index=True)
        self._use(Catalog(before.item, whole.iloc[place], counts))

    def save(self, folder: FilePath) -> Path:
        """Save the bundle with its changed items.

        Args:
            folder: The folder; an earlier bundle in it is replaced.

        Raises:
            FileExistsError: The folder holds other files.
        """
        names = ("metrics", "trainer", "run")
        return write_bundle(
            folder, task=self.task, model=self.model, outputs=self.document.outputs,
            preprocessor=self.preprocessor, parts=self.parts,
            others={name: getattr(self.document, name) for name in names},
            write_more=self.copy_files,
        )  # fmt: skip

    def _use(self, items: Catalog) -> None:
        """Use other items."""
        self.parts["items"] = items


def added_to(before: Catalog, items: Any, popularity: Any = None) -> Catalog:
    """Return items with additional ones in the end.

    Raises:
        KeyError: A column is missing.
        ValueError: An id is an item already, or occurs twice, or a cell has another type.
    """
    frame = _with_columns(as_frame(items, "items"), before)
    added = Catalog(before.item, frame, popularity)
    if (there := before.rows_of(added.ids) >= 0).any():
        row = int(there.argmax())
        raise ValueError(
            f"{plain(added.ids[row])!r} in row {row} of items is an item already: change it with "
            "update_items"
        )
    rows = pd.concat([before.frame, added.frame], ignore_index=True)
    return Catalog(before.item, rows, np.concatenate([before.popularity, added.popularity]))


def chosen_of(before: Catalog, rows: Any) -> Catalog:
    """Return the items of some rows."""
    return Catalog(before.item, before.frame.iloc[rows], before.popularity[rows])


def _with_columns(frame: pd.DataFrame, before: Catalog) -> pd.DataFrame:
    """Return the columns of a catalog from raw rows, as its types."""
    columns = {}
    for name in before.frame.columns:
        given, known = require_column(frame, name, "items"), before.frame[name]
        columns[name] = typed_like(given, known, is_id=name == before.item)
    typed: pd.DataFrame = pd.DataFrame(columns, index=frame.index)
    return typed
