"""The inputs of items that a retrieval model reads, and the vectors of its tower."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..data.as_loader import as_loader
from ..data.loader import rows_at_once
from ..models.protocols import HasTowers
from .catalog import Catalog
from .raw import RawColumns

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]


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

    @property
    def ids(self) -> Array | None:
        """The ids of the items, (N,); None if no input has their vocabulary."""
        name = self.raw.input_of(self.catalog.item)
        return None if name is None else self[name]

    def inputs(self, model: nn.Module) -> dict[str, Array]:
        """Return the inputs of items that a model reads, (N,) or (N, G).

        Raises:
            KeyError: A column is missing.
        """
        ids, frame = self.raw.input_of(self.catalog.item), self.catalog.frame
        found = {}
        for name in item_features(model, str(ids)):
            there = self.raw.preprocessor is not None or name in frame.columns
            if name == ids or (self.raw.has(name) and there):
                found[name] = self[name]
            elif ids is None:
                raise KeyError(f"items has no column {name!r}, which the model reads")
            else:  # the positives of SASRec, for example, are sequences of items without a column
                found[name] = self[ids][:, None]
        return found

    def rows_of(
        self, others: "EncodedItems", inputs: Mapping[str, Array], own: Mapping[str, Array]
    ) -> Ids:
        """Return the row of each of M others with the same id and the same inputs, −1 for none.

        Args:
            others: Other items.
            inputs: Their inputs.
            own: The inputs of these items.
        """
        rows = self.catalog.rows_of(others.catalog.ids)
        for name, values in inputs.items():
            if own[name].shape[1:] != values.shape[1:]:
                return np.full(len(rows), -1)
            same = (own[name][rows] == values).reshape(len(rows), -1).all(axis=1)
            rows = np.where(same, rows, -1)
        return rows

    def candidates(self, model: nn.Module) -> Ids:
        """Return the rows of the items that a model can score, in the order of their ids, (M,).

        Items outside the vocabulary share an id, so that a model of ids alone cannot score them.
        """
        ids = self.ids
        if ids is None:
            return np.arange(len(self.catalog))
        order = np.argsort(ids, kind="stable")
        name = str(self.raw.input_of(self.catalog.item))
        own = [f for f in item_features(model, name) if self.raw.has(f)]
        if self.raw.preprocessor is None or set(own) - {name}:
            return order
        return order[ids[order] > 1]

    def vectors(self, model: nn.Module, device: torch.device) -> Tensor:
        """Return the vectors of the item tower in evaluation mode, (N, D), on the device.

        Args:
            model: The model with towers.
            device: The device of the model.
        """
        tower: Any = model
        training = model.training
        model.eval()
        try:
            with torch.no_grad():
                if not item_features(model, ""):  # a model of sessions scores its vocabulary
                    ids = torch.from_numpy(np.asarray(self.ids, dtype=np.int64))
                    table: Tensor = tower.all_items()
                    return table[ids.to(device)].clone()
                return torch.cat(
                    [tower.item_tower(x) for x in _batches(self.inputs(model), device)]
                )
        finally:
            model.train(training)


def item_features(model: nn.Module, item: str) -> list[str]:
    """Return the names of the inputs of items; of a model without towers, the item's id."""
    if not isinstance(model, HasTowers):
        return [item]
    return [feature.name for feature in getattr(model, "item_inputs", None) or ()]


def _batches(inputs: Mapping[str, Array], device: torch.device) -> Any:
    loader: Any = as_loader(dict(inputs), 1)
    for batch in loader.with_batch_size(rows_at_once(loader.width)):
        yield {name: values.to(device) for name, values in batch.items()}
