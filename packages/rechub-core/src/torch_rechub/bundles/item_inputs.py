"""The inputs of items that a retrieval model reads, and their embeddings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor, nn

from ..models.protocols import HasTowers
from .catalog import FOLDER, Catalog
from .errors import BundleError
from .raw import RawColumns
from .weights import read_tensors, write_tensors

Array = npt.NDArray[Any]

FILE = f"{FOLDER}/embeddings.safetensors"


class EncodedItems:
    """The encoded inputs of items, made when they are first read.

    Args:
        catalog: The items.
        raw: Encodes raw columns.
    """

    def __init__(self, catalog: Catalog, raw: RawColumns) -> None:
        self.catalog, self.raw = catalog, raw
        self._columns: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        """Return an input of all items, (N,) or (N, G)."""
        if name not in self._columns:
            self._columns |= self.raw.encode([name], self.catalog.frame, "items")
        return self._columns[name]


class Embeddings:
    """The embeddings of items, as a part of a bundle.

    Args:
        vectors: The embeddings, (N, D), in the order of the items.
    """

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the file; return the settings to read it."""
        (folder / FOLDER).mkdir(exist_ok=True)
        write_tensors(folder / FILE, {"embeddings": self.vectors})
        return {"shape": list(self.vectors.shape)}

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> "Embeddings":
        """Read the file.

        Raises:
            BundleError: It is not as written.
        """
        try:
            found = read_tensors(folder / FILE)["embeddings"]
        except (KeyError, OSError) as error:
            raise BundleError(f"{folder / FILE} is not as written: {error}") from error
        if list(found.shape) != settings.get("shape") or found.dim() != 2:
            raise BundleError(f"{folder / FILE} has the shape {tuple(found.shape)}")
        return cls(found)


def item_inputs(
    model: nn.Module, raw: RawColumns, frame: pd.DataFrame, item: str
) -> dict[str, Array]:
    """Return the inputs of the item tower, or the id of the item for a model without towers.

    Args:
        model: The model.
        raw: Encodes raw columns.
        frame: The raw columns of items.
        item: The raw column of item ids.

    Raises:
        KeyError: A column is missing.
    """
    ids = raw.input_of(item)
    towers = isinstance(model, HasTowers)
    names = [f.name for f in getattr(model, "item_inputs", None) or ()] if towers else [ids]
    # the positives of SASRec, for example, are sequences of items, which have no column
    own = [name for name in names if name == ids or (raw.has(name) and _there(raw, name, frame))]
    found = raw.encode(own, frame, "items")
    others = {name: raw.encode([ids], frame, "items")[ids] for name in names if name not in own}
    return found | {name: np.asarray(values)[:, None] for name, values in others.items()}


def _there(raw: RawColumns, name: str, frame: pd.DataFrame) -> bool:
    return raw.preprocessor is not None or name in frame.columns
