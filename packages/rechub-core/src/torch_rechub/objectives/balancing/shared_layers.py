"""Shared layers of multi-task models, and GradNorm on them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...models.protocols import SharesLayers


def gradnorm(
    loss_list: Sequence[Tensor],
    loss_weight: Sequence[nn.Parameter],
    share_layer: Tensor | Sequence[Tensor],
    initial_task_loss: Sequence[float] | Tensor,
    alpha: float,
) -> None:
    """Compute the gradients of a step of GradNorm: those of the model and of the loss weights.

    With G_i = ‖∇_W w_i L_i‖, Ḡ their mean, and r_i = (L_i / L_i(0)) / mean_j (L_j / L_j(0)), the
    model gets the gradients of Σ_i w_i L_i, and w those of Σ_i |G_i − Ḡ r_i^α|, with Ḡ r_i^α as a
    constant. Afterwards step both optimizers and rescale w to the sum T.

    Args:
        loss_list: A scalar for each task.
        loss_weight: w, a parameter (T,).
        share_layer: W, the weights of the last shared layer.
        initial_task_loss: L(0), the losses of the first batch.
        alpha: α.

    Example:
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
        >>> weights = [torch.nn.Parameter(torch.ones(())) for _ in range(2)]
        >>> gradnorm([w[0] * 2, w[1] * 6], weights, w, [2.0, 6.0], alpha=0.5)
        >>> [float(weight.grad) for weight in weights]  # Ḡ = 4: the second is too large
        [-2.0, 6.0]

    Reference:
        Chen et al., GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask
        Networks, ICML 2018, arXiv 1711.02257.
    """
    layer = [share_layer] if isinstance(share_layer, Tensor) else list(share_layer)
    norms = torch.stack([_gradient_norm(loss, layer) for loss in loss_list])
    w = torch.stack([weight.detach().reshape(()) for weight in loss_weight])
    (w * torch.stack(list(loss_list))).sum().backward()
    with torch.no_grad():
        losses = torch.stack([loss.detach() for loss in loss_list])
        tiny = torch.finfo(losses.dtype).tiny
        initial = torch.as_tensor(initial_task_loss, dtype=losses.dtype, device=losses.device)
        rates = losses / initial.clamp(min=tiny)
        r = rates / rates.mean().clamp(min=tiny)
        g = w * norms
        # the gradient of |G_i − target| in closed form, which exists for a weight of 0, too
        gradients = torch.nan_to_num(torch.sign(g - g.mean() * r**alpha) * norms)
        for weight, gradient in zip(loss_weight, gradients, strict=True):
            weight.grad = gradient.reshape(weight.shape).to(weight)


def shared_task_layers(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the parameters shared by all tasks, and the task-specific ones.

    Args:
        model: A model with a method `shared_layers` that returns the shared layers in order, as
            those of `torch_rechub.models.multi_task`.

    Raises:
        ValueError: The model has no such method.

    Example:
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.multi_task import SharedBottom
        >>> tasks, towers = ["classification", "regression"], [{"dims": [2]}, {"dims": [2]}]
        >>> model = SharedBottom([SparseFeature("user", 9)], tasks, {"dims": [4]}, towers)
        >>> [len(parameters) for parameters in shared_task_layers(model)]
        [5, 12]
    """
    shared = [p for layer in _shared_layers(model) for p in layer.parameters()]
    known = set(map(id, shared))
    return shared, [p for p in model.parameters() if id(p) not in known]


def last_shared_weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the last shared layer; see `shared_task_layers`.

    If that layer consists of parallel ones, such as experts, return the last weights of each.
    """
    for layer in reversed(_shared_layers(model)):
        side_by_side = layer if isinstance(layer, nn.ModuleList) else [layer]
        matrices = [
            [p for p in m.parameters() if p.dim() > 1 and p.requires_grad] for m in side_by_side
        ]
        if any(matrices):
            return [found[-1] for found in matrices if found]
    raise ValueError(f"no layer that the tasks of {type(model).__name__} share has weights")


def _shared_layers(model: nn.Module) -> list[nn.Module]:
    if not isinstance(model, SharesLayers):
        raise ValueError(
            f"{type(model).__name__} does not say which of its layers all tasks share, which "
            "gradnorm and metabalance need to know: give it a method shared_layers(self) that "
            "returns them, the first one first, such as [self.embedding, self.bottom]"
        )
    return model.shared_layers()


def _gradient_norm(loss: Tensor, layer: Sequence[Tensor]) -> Tensor:
    """Return ‖∇_W L‖ over all tensors of W."""
    found = torch.autograd.grad(loss, layer, retain_graph=True, allow_unused=True)
    flat = [g.flatten() for g in found if g is not None]
    return torch.cat(flat).norm() if flat else loss.new_zeros(())
