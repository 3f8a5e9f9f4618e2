"""The auxiliary losses of models, in batches with and without weights of rows."""

import inspect

from torch import Tensor, nn

from ..data.batch import Batch
from .protocols import HasAuxiliaryLoss


def auxiliary_loss(
    model: nn.Module, batch: Batch, predictions: Tensor | None, y: Tensor | None
) -> Tensor | float:
    """The auxiliary loss of a model for a training batch; 0 where it has none.

    Args:
        model: The model, which may have a method `auxiliary_loss`; see `HasAuxiliaryLoss`.
        batch: The batch.
        predictions: As the method takes them.
        y: The labels, as the method takes them.

    Raises:
        ValueError: The rows have weights, and the method takes none.
    """
    if not isinstance(model, HasAuxiliaryLoss):
        return 0.0
    if batch.weights is None:
        return model.auxiliary_loss(batch.inputs, predictions, y)
    if "weights" not in inspect.signature(model.auxiliary_loss).parameters:
        raise ValueError(
            f"the rows have weights, which {type(model).__name__}.auxiliary_loss does not take: "
            "give it a keyword argument weights, (B,) or None, and return the weighted mean; or "
            "train without weights"
        )
    loss: Tensor = model.auxiliary_loss(  # type: ignore[call-arg]
        batch.inputs, predictions, y, weights=batch.weights
    )
    return loss
