"""`save` of `MatchTrainer`: the parts of a bundle that retrieves items."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from ..models.protocols import HasTowers
from ..models.towers import one_tower, prediction
from .evaluation import Evaluation
from .saving import SavesBundles
from .saving_sequences import catalog_of

if TYPE_CHECKING:
    from ..bundles.bundle import Part
    from ..data.preprocessing import Preprocessor


class SavesTowers(SavesBundles):
    """Bundles of retrieval models.

    Attributes:
        evaluation: The evaluation loop.
        item_frequency: The count of each item id, by the name of its input; or None.
    """

    bundle_task = "retrieval"
    evaluation: Evaluation
    item_frequency: Mapping[str, Any] | None

    def bundle_parts(  # type: ignore[override]
        self,
        preprocessor: "Preprocessor | None",
        *,
        item: str,
        items: Any = None,
        user: str | None = None,
        time: str | None = None,
        time_unit: str = "s",
        length: int = 50,
        histories: Mapping[str, str] | None = None,
        popularity: Any = None,
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
            length: Length L of histories, as in training.
            histories: For each input that is a history, the input of items that it repeats; those
                called ``hist_<input>`` are known.
            popularity: How often each item occurs, by row of `items` or raw id, for users of whom
                nothing is known; None takes `item_frequency`, or the counts of the vocabulary.

        Raises:
            KeyError: A column is missing.
            ValueError: An item occurs twice, or a sequence is no history of a known input.
        """
        # imported here, because training needs no pandas
        from ..bundles.histories import HistoryForm
        from ..bundles.item_inputs import Embeddings, EncodedItems, item_inputs
        from ..bundles.raw import RawColumns
        from ..bundles.user_inputs import UserForm, repeated_inputs

        raw = RawColumns(preprocessor)
        catalog = catalog_of(item, items, preprocessor, popularity)
        if popularity is None and self.item_frequency is not None:
            counts = np.asarray(next(iter(self.item_frequency.values())), dtype=np.float64)
            codes = EncodedItems(catalog, raw)[raw.input_of(item)]
            known = np.where(codes < len(counts), counts[np.minimum(codes, len(counts) - 1)], 0)
            catalog = catalog_of(item, catalog.frame, preprocessor, known)
        features = _features_of_users(self.model)
        form = UserForm(
            HistoryForm(item, user, time, time_unit),
            [feature.name for feature in features],
            repeated_inputs(features, raw, histories),
            length,
        )
        parts: dict[str, Part] = {"items": catalog, "users": form}
        if isinstance(self.model, HasTowers):
            inputs = item_inputs(self.model, raw, catalog.frame, item)
            with one_tower(self.model, "item"):
                call = partial(prediction, self.model)
                parts["embeddings"] = Embeddings(
                    self.evaluation.predictions(self.model, inputs, call).scores
                )
        return parts

    def write_onnx(self, folder: Path) -> None:
        """Write a file of each tower; of a model without towers, one of the model."""
        if not isinstance(self.model, HasTowers):
            return super().write_onnx(folder)
        for tower in ("user", "item"):
            self.export_onnx(folder / f"{tower}.onnx", mode=tower)  # type: ignore[attr-defined]
        return None


def _features_of_users(model: nn.Module) -> list[Any]:
    """Return the features that are read of users; of a model without towers, all but the last.

    Raises:
        ValueError: The model cannot embed items.
    """
    if not isinstance(model, HasTowers):
        return list(getattr(model, "inputs", ()))[:-1]
    if not getattr(model, "item_inputs", None):
        raise ValueError(
            f"{type(model).__name__} was made without a column of items to embed: give it one, as "
            "item_feature=SparseFeature(...)"
        )
    users: Any = model.user_inputs
    return list(users)
