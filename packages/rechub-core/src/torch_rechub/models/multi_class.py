"""A head for labels of several classes, on any ranking model."""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._bounds import check_whole
from ..basic.layers import EmbeddingLayer, FirstOrder
from .arguments import RecordsArguments
from .logits import logits_of
from .protocols import HasAuxiliaryLoss


class MultiClass(RecordsArguments, nn.Module):
    """The probabilities of C classes by a ranking model: softmax over a logit for each class.

    P(c | x) = exp z_c(x) / Σ_k exp z_k(x), with z_c the logit by the weights of class c

    The classes share the embedding tables of the model; all else, its dense layers and the weights
    of first-order terms, each has of its own. All begin with the weights of the model, which is
    left as it is: before training every class has the probability 1 / C. Ranking models sum terms
    of different form, which have no common last layer that could be widened. Terms without weights
    beyond the tables, such as Σ ⟨v_i, v_j⟩ of a factorization machine, are the same in all classes
    and cancel; with ``share_embeddings=False`` they differ.

    Complexity: C times that of the model.

    Args:
        model: A ranking model with a method `logits` that returns (B,).
        n_classes: C, at least 2.
        share_embeddings: Whether all classes use one set of embedding tables; if not, memory is C
            times that of the model's.

    Shape:
        x[name]: as the model; returns probabilities (B, C). Where the logits of the model come with
        an auxiliary loss, as those of `DIEN`, returns (probabilities, the mean of these losses).

    Raises:
        ValueError: The model has no logits, or a method `auxiliary_loss`, which knows one
            prediction a row; or there are fewer than two classes.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.ranking import DeepFM
        >>> fields = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 9, embed_dim=4)]
        >>> model = MultiClass(DeepFM(fields, fields, {"dims": [8]}), n_classes=4)
        >>> model({"user": torch.tensor([1]), "item": torch.tensor([2])})
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]], grad_fn=<SoftmaxBackward0>)
    """

    # the model itself is not kept: its weights would be there twice
    held_arguments: ClassVar = {"model": "models.0"}

    def __init__(self, model: nn.Module, n_classes: int, *, share_embeddings: bool = True) -> None:
        super().__init__()
        check_whole(2, n_classes=n_classes)
        if logits_of(model) is None:
            raise ValueError(
                f"{type(model).__name__} has no method logits(x), which MultiClass needs: give it "
                "one that returns (B,), the numbers that its sigmoid takes"
            )
        if isinstance(model, HasAuxiliaryLoss):
            raise ValueError(
                f"{type(model).__name__} has a method auxiliary_loss of one prediction a row: "
                "MultiClass cannot train it"
            )
        self.n_classes = n_classes
        first = copy.deepcopy(model)
        shared = {id(layer): layer for layer in _tables(first)} if share_embeddings else {}
        # a layer in the memo of deepcopy stands for its own copy
        others = (copy.deepcopy(first, {**shared}) for _ in range(n_classes - 1))
        self.models = nn.ModuleList([first, *others])

    def forward(self, x: Mapping[str, Tensor]) -> Any:
        """Return probabilities (B, C), and the auxiliary loss where there is one."""
        logits = self.logits(x)
        if isinstance(logits, tuple):
            return logits[0].softmax(dim=1), logits[1]
        return logits.softmax(dim=1)

    def logits(self, x: Mapping[str, Tensor]) -> Any:
        """Return logits (B, C), and the auxiliary loss where there is one."""
        found = [model.logits(x) for model in self.models]  # type: ignore[operator]
        if isinstance(found[0], tuple):
            logits, losses = (torch.stack(part, dim=-1) for part in zip(*found, strict=True))
            return logits, losses.mean()
        return torch.stack(found, dim=1)


def _tables(model: nn.Module) -> list[nn.Module]:
    """The embedding layers of a model but those of first-order terms, which are weights."""
    terms = [module for module in model.modules() if isinstance(module, FirstOrder)]
    own = {id(layer) for term in terms for layer in term.modules()}
    layers = [layer for layer in model.modules() if isinstance(layer, EmbeddingLayer)]
    return [layer for layer in layers if id(layer) not in own]
