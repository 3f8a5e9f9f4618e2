"""Losses by name: the class of each name, and the kind of its predictions.

The kind of the predictions determines the valid labels, metrics and the form of predictions:

* "probability": σ(logit), of labels in [0, 1];
* "value": the logit itself, an unbounded number, or a link of the loss applied to it;
* "classes": softmax of C logits, of labels 0 to C − 1;
* "ranking": a score whose order within a group counts;
* "pairs": the scores of a positive and of its negatives;
* "candidates": the scores of several candidates, and the column of the positive.

A custom loss declares its kind by an attribute `kind`; the default is "probability".
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from torch import nn

from .._errors import UnknownChoiceError
from .binary_cross_entropy import BinaryCrossEntropy
from .focal import FocalLoss
from .one_positive import CANDIDATES, NegativesBCELoss
from .pairwise import BPRLoss, HingeLoss
from .regression import LogCoshLoss, PoissonLoss, QuantileLoss
from .within_groups import GroupBPR, LambdaRank, ListNet, RankNet

Kind = Literal["probability", "value", "classes", "ranking", "pairs", "candidates"]

LOSSES: dict[str, dict[str, Callable[..., nn.Module]]] = {
    "probability": {"binary_cross_entropy": BinaryCrossEntropy, "focal": FocalLoss},
    "value": {
        "mse": nn.MSELoss,
        "mae": nn.L1Loss,
        "huber": nn.HuberLoss,
        "log_cosh": LogCoshLoss,
        "quantile": QuantileLoss,
        "poisson": PoissonLoss,
    },
    "classes": {"softmax": nn.CrossEntropyLoss},
    "ranking": {
        "bpr": GroupBPR,
        "ranknet": RankNet,
        "lambdarank": LambdaRank,
        "listnet": ListNet,
    },
    "pairs": {"bpr": BPRLoss, "hinge": HingeLoss, "bce": NegativesBCELoss},
    "candidates": CANDIDATES,
}
_OF_TORCH: dict[type[nn.Module], str] = {
    nn.MSELoss: "value",
    nn.L1Loss: "value",
    nn.SmoothL1Loss: "value",
    nn.HuberLoss: "value",
    nn.PoissonNLLLoss: "value",
    nn.CrossEntropyLoss: "classes",
    nn.NLLLoss: "classes",
}


def make_loss(
    loss: Any,
    params: Mapping[str, Any] | None,
    kinds: Collection[str],
    default: str,
    owner: str = "the trainer",
) -> nn.Module:
    """Create a loss by its name and arguments, or return the given one.

    Args:
        loss: A name, a module of (predictions, labels), or None for the default.
        params: The arguments of a name.
        kinds: The kinds of predictions that the owner supports.
        default: The name of the default.
        owner: The trainer's class, for messages.

    Raises:
        TypeError: It is neither a name nor a module, or the class takes no such argument.
        UnknownChoiceError: No loss of these kinds has the name.
        ValueError: There are arguments for a module, the kind or the reduction is another, or an
            argument is out of its range.

    Example:
        >>> make_loss("focal", {"gamma": 1.5}, ["probability"], "binary_cross_entropy").gamma
        1.5
    """
    if isinstance(loss, type) and issubclass(loss, nn.Module):
        raise TypeError(f"loss must be a name or an object, got a class: give {loss.__name__}(…)")
    if isinstance(loss, nn.Module):
        if params:
            raise ValueError(
                f"loss_params={dict(params)!r} are the arguments of a loss by name: give them to "
                f"{type(loss).__name__} instead"
            )
        if kind_of(loss) not in kinds:
            raise ValueError(
                f"{owner} trains losses of {' or '.join(kinds)}, and {type(loss).__name__} is one "
                f"of {kind_of(loss)}: give one of {_names(kinds)}"
            )
        return _reduced(loss)
    name = default if loss is None else loss
    if not isinstance(name, str):
        raise TypeError(f"loss must be a name, such as {default!r}, or a module, got {name!r}")
    known = {n: make for kind in kinds for n, make in LOSSES[kind].items()}
    if name not in known:
        raise UnknownChoiceError(f"unknown loss {name!r} of {owner}; give one of {_names(kinds)}")
    return _reduced(_made(name, known[name], dict(params or {})))


def kind_of(loss: nn.Module) -> str:
    """Return the kind of the predictions of a loss.

    Example:
        >>> kind_of(FocalLoss()), kind_of(nn.HuberLoss())
        ('probability', 'value')
    """
    kind = getattr(loss, "kind", None)
    if kind is None:
        kind = next((k for torchs, k in _OF_TORCH.items() if isinstance(loss, torchs)), None)
    return "probability" if kind is None else str(kind)


def _made(name: str, make: Callable[..., nn.Module], params: dict[str, Any]) -> nn.Module:
    signature = inspect.signature(make)
    try:
        signature.bind(**params)
    except TypeError as error:
        old = {"size_average", "reduce"}  # of torch's first versions
        names = ", ".join(n for n in signature.parameters if n not in old)
        raise TypeError(f"loss_params of {name!r}: {error}; its arguments are {names}") from None
    return make(**params)


def _reduced(loss: nn.Module) -> nn.Module:
    """A loss that is one number a batch; another is for losses computed by hand."""
    if getattr(loss, "reduction", "mean") == "none":
        raise ValueError(
            f"{type(loss).__name__} has reduction='none', and training takes the mean over rows: "
            "leave the reduction out"
        )
    return loss


def _names(kinds: Collection[str]) -> str:
    return ", ".join(name for kind in kinds for name in LOSSES[kind]) + ", or an object"
