"""Predictions and examples of a trainer of next-item models."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .evaluation import Evaluation
from .examples import Examples, ExampleTable
from .list_examples import of_sequences


class InfersSequences:
    """The methods `predict` and `examples` of a trainer of next-item models.

    Attributes:
        evaluation: The evaluation loop.
        model: The model being trained.
        exclude_seen: Whether items of a sequence are excluded from its recommendations.
    """

    evaluation: Evaluation
    model: nn.Module
    exclude_seen: bool

    def examples(self, wanted: Examples, data: Any) -> list[ExampleTable]:
        """Return the next items of the first sequences."""
        if data is None or not wanted.users:
            return []
        return of_sequences(wanted, data, self.model, self.evaluation, self.exclude_seen)

    def predict(self, model: nn.Module, data_loader: Iterable[Any]) -> Tensor:
        """Return the scores of all tokens after each sequence, (N, V); −inf for padding.

        Raw histories are those of a bundle, which `save` writes.

        Args:
            model: The model.
            data_loader: Yields (tokens, positions, time_diffs, targets); targets are ignored.

        Raises:
            ValueError: A sequence has no token.
        """
        # imported here, because training needs no bundles
        from ..bundles.token_sequences import next_scores

        def scores(x: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            tokens, _, time_diffs = x
            if not (tokens != 0).any(dim=1).all():
                raise ValueError("a sequence has no token to predict from: leave such rows out")
            found = next_scores(model, tokens, time_diffs)
            found[:, 0] = -torch.inf
            return found

        return self.evaluation.predictions(model, data_loader, scores).scores
