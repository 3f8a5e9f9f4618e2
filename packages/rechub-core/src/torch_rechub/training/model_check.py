"""Whether a trainer can call a model at all: by the package of the model, and by its arguments."""

import inspect
from typing import NamedTuple

from torch import nn

from ..models.families import TRAINERS, family_of, name_of


class Calls(NamedTuple):
    """How a trainer calls a model, and which packages of `torch_rechub.models` can be called so."""

    families: tuple[str, ...]
    arguments: tuple[str, ...]
    given: str


CALLS = {
    "columns": Calls(("ranking", "multi_task", "matching"), ("x",), "a dict of columns"),
    "items": Calls(("generative",), ("tokens", "time_diffs"), "sequences of items"),
    "codes": Calls(("generative.tiger",), (), "sequences of codes"),
    "embeddings": Calls(("generative.rqvae",), ("embeddings",), "embeddings of items"),
}


def check_callable(owner: str, takes: str | None, model: nn.Module) -> None:
    """Refuse a model that takes other inputs than the trainer gives.

    Args:
        owner: The name of the trainer's class.
        takes: The inputs of its models, one of `CALLS`; None, as of trainers of users, checks
            nothing.
        model: The model being trained.

    Raises:
        ValueError: It is of a package that another trainer trains.
        TypeError: Its `forward` takes other arguments.
    """
    if takes is None:
        return
    calls = CALLS[takes]
    family = family_of(model)
    if family is not None:
        if family not in calls.families:
            raise ValueError(
                f"{owner} trains models of {calls.given}, and {name_of(model)} of "
                f"torch_rechub.models.{family} is none: train it with {TRAINERS[family]}"
            )
        return
    if calls.arguments and not hasattr(model, "encode") and not _takes(model, calls.arguments):
        raise TypeError(
            f"{owner} calls model({', '.join(calls.arguments)}) with {calls.given}, which "
            f"{name_of(model)}.forward{inspect.signature(model.forward)} does not take: give it "
            "these arguments, or train it with another trainer"
        )


def _takes(model: nn.Module, arguments: tuple[str, ...]) -> bool:
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):  # it is not written in Python
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True
