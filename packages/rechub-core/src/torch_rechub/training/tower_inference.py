"""Embeddings of users and items from the towers of a trained retrieval model."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .._paths import local_path
from ..metrics.computing import check_needs
from ..metrics.monitor import Metric, as_metrics
from ..models.protocols import HasInterests
from ..models.towers import interests_with_mask, one_tower, prediction
from .checkpoints.weights import put_weights
from .checks import check_not_empty
from .evaluation import Evaluation
from .settings import Folder


@runtime_checkable
class MeasuresRetrieval(Protocol):
    """The part of `RetrievalData` that is checked and computes metrics.

    Attributes:
        users: The users.
        items: The catalog.
    """

    users: Any
    items: Any

    def default_metrics(self) -> Sequence[str]:
        """The default metrics."""

    def measure(
        self,
        metrics: Sequence[Metric],
        model: nn.Module,
        predictions: Callable[..., Any],
        item_frequency: Any = None,
    ) -> dict[str, float]:
        """Return the metrics by name."""


class InfersTowers:
    """Inference methods of a trainer of retrieval models.

    Attributes:
        evaluation: The evaluation loop.
        device: The device of the model.
        weights_file: The file of the weights.
        item_frequency: How often each item occurs, for novelty; or None.
    """

    evaluation: Evaluation
    device: torch.device
    weights_file: str
    item_frequency: Any

    def evaluate_retrieval(
        self, model: nn.Module, data: MeasuresRetrieval, metrics: Any = None
    ) -> dict[str, float]:
        """Return the retrieval metrics over the whole catalog by name, for instance on test data.

        Args:
            model: The model, with two towers or with a score for each pair.
            data: A `RetrievalData`.
            metrics: Ranking metrics by name or as `Metric`; None takes ndcg, hit, recall and mrr.
        """
        chosen = as_metrics(data.default_metrics() if metrics is None else metrics)
        check_needs(chosen, ("hits", "lists"), "evaluate_retrieval")
        return data.measure(chosen, model, self.evaluation.predictions, self.item_frequency)

    def inference_embedding(
        self, model: nn.Module, mode: str, data_loader: Iterable[Any], model_path: Folder
    ) -> Tensor:
        """Return embeddings (N, D) of users or items, on the CPU, with the weights in `model_path`.

        Args:
            model: The model to load the weights into; its `mode` is restored.
            mode: "user" or "item"; AssertionError otherwise.
            data_loader: A loader of dicts of tensors; columns of the other tower may be missing.
            model_path: Folder of `model.pth`.
        """
        return self._of_tower(model, mode, data_loader, model_path, prediction)

    def inference_interests(
        self, model: nn.Module, data_loader: Iterable[Any], model_path: Folder
    ) -> tuple[Tensor, Tensor]:
        """Return the interests of users, and the mask of those that are not copies of the first.

        With the result `users, own`, `users[own]` are the distinct interests, as for an index, and
        `own.nonzero()[:, 0]` the user of each of them.

        Args:
            model: A multi-interest model; otherwise as in `inference_embedding`.
            data_loader: Yields dicts of tensors.
            model_path: Folder of `model.pth`.

        Returns:
            Interests (N, K, D) and a mask (N, K), on the CPU. The mask is all True except for
            `MIND` with `dynamic_interest`.

        Raises:
            ValueError: The model has one embedding per user.
        """
        if not isinstance(model, HasInterests):
            raise ValueError(
                f"{type(model).__name__} has one embedding a user, no interests: use "
                "inference_embedding"
            )
        found = self._of_tower(model, "user", data_loader, model_path, interests_with_mask)
        return found[..., :-1], found[..., -1].bool()

    def _of_tower(
        self,
        model: nn.Module,
        mode: str,
        data_loader: Iterable[Any],
        model_path: Folder,
        output: Callable[[nn.Module, Any], Tensor],
    ) -> Tensor:
        with one_tower(model, mode):
            loader = self.evaluation.batches.loader_of(data_loader, model, in_order=True)
            check_not_empty(loader, "data_loader")
            put_weights(model, local_path("model_path", model_path) / self.weights_file)
            model.to(self.device)
            return self.evaluation.predictions(model, loader, partial(output, model)).scores
