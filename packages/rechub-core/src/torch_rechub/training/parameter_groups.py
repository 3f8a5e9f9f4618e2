"""Parameter groups of an optimizer: the names, learning rates and settings that are recorded."""

from typing import Any

from torch.optim import Optimizer

# settings that do not change results, and settings that are recorded under another name
_IMPLEMENTATION = {"params", "capturable", "differentiable", "foreach", "fused", "param_names"}
_NAMED = {"lr", "initial_lr", "weight_decay", "name"}


def group_names(optimizer: Optimizer) -> list[str]:
    """Return the name of each parameter group: its entry ``name``, else its index; all differ.

    Example:
        >>> import torch
        >>> w = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
        >>> groups = [{"params": w[:1]}, {"params": w[1:2], "name": "tables"}, {"params": w[2:]}]
        >>> group_names(torch.optim.SGD(groups, lr=0.1))
        ['0', 'tables', '2']
    """
    names: list[str] = []
    for index, group in enumerate(optimizer.param_groups):
        name = str(group.get("name", index))
        while name in names:
            name += "_"
        names.append(name)
    return names


def learning_rates(optimizer: Optimizer) -> dict[str, float]:
    """Return the learning rate of each group by the name under which it is recorded.

    Example:
        >>> import torch
        >>> w = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
        >>> groups = [{"params": w[:1]}, {"params": w[1:], "lr": 0.5, "name": "tables"}]
        >>> learning_rates(torch.optim.SGD(groups, lr=0.1))
        {'learning_rate': 0.1, 'learning_rate/tables': 0.5}
    """
    first, *others = optimizer.param_groups
    rates = {"learning_rate": float(first["lr"])}
    if others:
        for name, group in zip(group_names(optimizer)[1:], others, strict=True):
            rates[f"learning_rate/{name}"] = float(group["lr"])
    return rates


def describe_groups(optimizer: Optimizer) -> dict[str, Any]:
    """Return the hyper-parameters of the first group, and of all groups if there are several.

    Example:
        >>> import torch
        >>> w = torch.nn.Parameter(torch.zeros(1))
        >>> described = describe_groups(torch.optim.SGD([w], lr=0.1, momentum=0.9))
        >>> described["learning_rate"], described["optimizer_params"]["momentum"]
        (0.1, 0.9)
    """
    described = [_described(group) for group in optimizer.param_groups]
    first = {name: value for name, value in described[0].items() if name != "n_parameters"}
    if len(described) == 1:
        return first
    named = zip(group_names(optimizer), described, strict=True)
    return first | {"parameter_groups": dict(named)}


def _described(group: dict[str, Any]) -> dict[str, Any]:
    others = sorted(group.keys() - _IMPLEMENTATION - _NAMED)
    return {
        "learning_rate": float(group.get("initial_lr", group["lr"])),  # before a schedule
        "weight_decay": group.get("weight_decay", 0.0),
        "optimizer_params": {name: group[name] for name in others},
        "n_parameters": sum(p.numel() for p in group["params"]),
    }
