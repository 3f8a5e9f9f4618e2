"""`save` of `MatchTrainer`: the parts of a bundle that retrieves items."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ..models.arguments import unwrapped
from ..models.protocols import HasTowers
from ..types import FilePath
from .saving import SavesBundles
from .saving_sequences import catalog_of

if TYPE_CHECKING:
    from ..bundles.bundle import Part
    from ..data.preprocessing import Preprocessor


class SavesTowers(SavesBundles):
    """Bundles of retrieval models.

    Attributes:
        retrieval: The data of validation; or None.
        item_frequency: The count of each item id, by the name of its input; or None.
        device: The device of the model.
    """

    bundle_task = "retrieval"
    retrieval: Any
    item_frequency: Mapping[str, Any] | None
    device: torch.device

    def save(self, folder: FilePath, *, preprocessor: Any = None, **options: Any) -> Path:
        """Save the model as a bundle; see `SavesBundles.save`.

        Args:
            folder: The folder; an earlier bundle in it is replaced.
            preprocessor: The fitted preprocessor, or the `Split` or `Interactions` that were
                encoded without one; None where raw ids are the ids of the model.
            **options: See `bundle_parts` and `SavesBundles.save`.
        """
        if hasattr(preprocessor, "vocabularies"):
            from ..bundles.vocabularies import preprocessor_of

            preprocessor = preprocessor_of(preprocessor.vocabularies)
        return super().save(folder, preprocessor=preprocessor, **options)

    def bundle_parts(  # type: ignore[override]
        self,
        preprocessor: "Preprocessor | None",
        *,
        item: str,
        items: Any = None,
        user: str | None = None,
        time: str | None = None,
        time_unit: str = "s",
        length: int | None = None,
        histories: Mapping[str, str] | None = None,
        popularity: Any = None,
        index: str = "exact",
        index_params: Mapping[str, Any] | None = None,
    ) -> "dict[str, Part]":
        """Return the items with their embeddings, and the form of users.

        Args:
            preprocessor: The fitted preprocessor; None where the columns are encoded already.
            item: The column of raw item ids.
            items: The items that may be recommended: a table with one row for each, with the raw
                columns of the model's item features; None takes all of the vocabulary.
            user: The column of raw user ids; None numbers the rows of users.
            time: The column of times in logs; None means that their rows are in order.
            time_unit: The unit of times that are numbers; see `Interactions`.
            length: Length L of histories, as in training; None takes that of `retrieval`, the data
                of validation, or else the longest history of the model.
            histories: For each input that is a history, the input of items that it repeats; those
                called ``hist_<input>`` are known.
            popularity: How often each item occurs, by row of `items` or raw id, for users of whom
                nothing is known; None takes `item_frequency`, or the counts of the vocabulary.
            index: "exact"; or "faiss", "usearch" or "annoy", an index that proposes items, which
                are then scored exactly.
            index_params: Arguments of its builder, such as {"index_type": "HNSW"}.

        Raises:
            ImportError: The library of the index is missing.
            KeyError: A column is missing.
            UnknownChoiceError: `index` is unknown.
            ValueError: An item occurs twice, or a sequence is no history of a known input.
        """
        # imported here, because training needs no pandas
        from ..bundles.histories import HistoryForm
        from ..bundles.item_inputs import EncodedItems
        from ..bundles.item_search import ItemSearch
        from ..bundles.raw import RawColumns
        from ..bundles.user_inputs import UserForm, repeated_inputs

        raw, model = RawColumns(preprocessor), unwrapped(self.model)
        catalog = catalog_of(item, items, preprocessor, popularity)
        if not len(catalog):
            raise ValueError("items has no rows: a bundle needs an item to recommend")
        encoded = EncodedItems(catalog, raw)
        counts = self._counts(encoded) if popularity is None else None
        catalog.popularity = catalog.popularity if counts is None else counts
        features = _features_of_users(model, raw.input_of(item))
        repeats = repeated_inputs(features, raw, histories)
        of_items = [f for f in features if repeats.get(f.name) == raw.input_of(item)]
        form = UserForm(
            HistoryForm(item, user, time, time_unit),
            [feature.name for feature in features],
            repeats,
            self._length(model, repeats) if length is None else length,
            min((f.vocab_size for f in of_items), default=None),
        )
        parts: dict[str, Part] = {"items": catalog, "users": form}
        if isinstance(model, HasTowers):
            search = ItemSearch(encoded.vectors(model, self.device), index, index_params)
            parts["embeddings"] = search.build(encoded.candidates(model))
        elif index != "exact":
            raise ValueError(f"{type(model).__name__} has no embeddings to index: leave out index=")
        return parts

    def write_onnx(self, folder: Path) -> None:
        """Write a file of each tower; of a model without towers, one of the model."""
        if not isinstance(self.model, HasTowers):
            return super().write_onnx(folder)
        for tower in ("user", "item"):
            self.export_onnx(folder / f"{tower}.onnx", mode=tower)  # type: ignore[attr-defined]
        return None

    def _length(self, model: Any, histories: Mapping[str, str]) -> int | None:
        """The length of histories in the data of validation, or the longest of the model."""
        users = getattr(self.retrieval, "users", None)
        for name in histories:
            if isinstance(users, Mapping) and name in users:
                return int(np.shape(users[name])[1])
        longest: int | None = getattr(model, "longest_history", None)
        return longest

    def _counts(self, encoded: Any) -> Any:
        """The count of each item in training, (N,); None if it is not known."""
        name = encoded.raw.input_of(encoded.catalog.item)
        of_inputs = self.item_frequency or {}
        if name not in of_inputs:
            return None
        counts, ids = np.asarray(of_inputs[name], dtype=np.float64), encoded.ids
        return np.where(ids < len(counts), counts[np.minimum(ids, len(counts) - 1)], 0.0)


def _features_of_users(model: nn.Module, item: str | None) -> list[Any]:
    """Return the features that are read of users.

    Raises:
        ValueError: The model does not list them.
    """
    if isinstance(model, HasTowers):
        found = getattr(model, "user_inputs", None)
        one = getattr(model, "item_inputs", None) or hasattr(model, "all_items")
    else:
        both = getattr(model, "inputs", None)
        one, found = both, [f for f in both or () if f.name != item]
    if found is None or not one:
        raise ValueError(
            f"{type(model).__name__} does not list the features of its towers: set user_inputs and "
            "item_inputs in its constructor, or the inputs of a model without towers"
        )
    return list(found)
