"""Families of models: which trainer trains the models of each package, for messages."""

from typing import Any

from torch import Tensor, nn

# the packages of `torch_rechub.models`, an inner one before the outer one
TRAINERS = {
    "ranking": "CTRTrainer",
    "multi_task": "MTLTrainer",
    "matching": "MatchTrainer",
    "generative.rqvae": "torch_rechub.trainers.rqvae_trainer.Trainer",
    "generative.tiger": "TigerTrainer",
    "generative": "SeqTrainer",
}


def family_of(model: nn.Module) -> str | None:
    """The package that the `forward` of a model comes from; None of a model of the user.

    Example:
        >>> from torch_rechub.models.ranking import LR
        >>> family_of(LR([])), family_of(nn.Linear(1, 1))
        ('ranking', None)
    """
    origin = next((c for c in type(model).__mro__ if "forward" in vars(c)), nn.Module)
    path = f"{origin.__module__}."
    return next((name for name in TRAINERS if path.startswith(f"{__package__}.{name}.")), None)


def form_of(output: Any) -> str:
    """Describe the output of a model, for messages.

    Example:
        >>> import torch
        >>> form_of(torch.zeros(2, 3)), form_of((1, 2))
        ('a tensor of shape (2, 3)', 'a tuple of 2')
    """
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    if isinstance(output, tuple | list | dict):
        return f"a {type(output).__name__} of {len(output)}"
    return f"a {type(output).__name__}"


def name_of(module: nn.Module) -> str:
    """The class of a model or of a loss, for messages."""
    return type(module).__name__
