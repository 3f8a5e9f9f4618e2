"""Learning-rate schedulers that step per batch: a warm-up, then a decay over all steps."""

import math
from abc import abstractmethod
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from .._bounds import check_number, whole_number


class WarmupSchedule(LRScheduler):
    """A linear warm-up of the learning rates, followed by a decay.

    At step t of T, counted from 0, with W steps of warm-up, each learning rate is multiplied by

    (t + 1) / W  for t < W,  else  e + (1 − e) · c((t − W) / (T − W))

    with a curve c that falls from 1 to 0. From step T on the factor is e.

    Args:
        optimizer: The optimizer.
        total_steps: T, the steps of the optimizer in all epochs; None if `prepare` will set it,
            which trainers call before the first step.
        warmup: W as a share of T, in 0 to 1, rounded to whole steps.
        warmup_steps: W itself; give one of the two.
        end_factor: e, in 0 to 1.

    Attributes:
        total_steps: T, or None before `prepare`.
        last_epoch: t, under the name that torch uses for every scheduler.

    Raises:
        ValueError: A value is out of range, both `warmup` and `warmup_steps` are given, or the
            warm-up is longer than T.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> schedule = WarmupLinear(optimizer, total_steps=6, warmup_steps=2)
        >>> rates = []
        >>> for _ in range(6):
        ...     rates.append(schedule.get_last_lr()[0])
        ...     optimizer.step()
        ...     schedule.step()
        >>> rates
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int | None = None,
        *,
        warmup: float = 0.0,
        warmup_steps: int | None = None,
        end_factor: float = 0.0,
    ) -> None:
        check_number("[0, 1]", warmup=warmup, end_factor=end_factor)
        self._share, self._end = float(warmup), float(end_factor)
        self._warmup_steps: int | None = whole_number(0, warmup_steps=warmup_steps)
        if self._warmup_steps is not None and warmup:
            raise ValueError(
                f"give warmup={warmup!r}, a share of the steps, or warmup_steps={warmup_steps!r}"
            )
        self.total_steps: int | None = self._checked(whole_number(1, total_steps=total_steps))
        super().__init__(optimizer)

    @abstractmethod
    def curve(self, progress: float) -> float:
        """The curve c, from 1 at `progress` 0 to 0 at 1."""

    def prepare(self, total_steps: int) -> None:
        """Set T and restart at step 0; trainers call it before the first step of `fit`.

        Raises:
            ValueError: The warm-up is longer than T.
        """
        self.total_steps = self._checked(whole_number(0, total_steps=total_steps))
        self.last_epoch = 0
        self._set_rates()

    def factor(self, step: int) -> float:
        """Return the factor of the learning rates at a step, counted from 0.

        Raises:
            RuntimeError: T is unknown.
        """
        if self.total_steps is None:
            if step == 0:  # the constructor of LRScheduler asks for it
                return 1.0
            raise RuntimeError(
                f"{type(self).__name__} does not know the number of steps: give total_steps, or "
                "call prepare(total_steps)"
            )
        warmup = self._warmup_of(self.total_steps)
        if step < warmup:
            return (step + 1) / warmup
        if step >= self.total_steps:
            return self._end
        progress = (step - warmup) / (self.total_steps - warmup)
        return self._end + (1 - self._end) * self.curve(progress)

    def get_lr(self) -> list[float | Tensor]:
        """Return the learning rate of each group at the current step."""
        factor = self.factor(self.last_epoch)
        return [rate * factor for rate in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Return the step and the initial learning rates, without T, which `prepare` sets."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a `state_dict`, and set the learning rates of its step."""
        self.last_epoch, self.base_lrs = state_dict["last_epoch"], list(state_dict["base_lrs"])
        self._set_rates()

    def _warmup_of(self, total: int) -> int:
        return round(self._share * total) if self._warmup_steps is None else self._warmup_steps

    def _checked(self, total: int | None) -> int | None:
        if total and (self._warmup_steps or 0) > total:
            raise ValueError(
                f"warmup_steps={self._warmup_steps} is more than the {total} steps of training"
            )
        return total

    def _set_rates(self) -> None:
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            if isinstance(group["lr"], Tensor):  # compiled steps read this tensor
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


class WarmupCosine(WarmupSchedule):
    """A warm-up, then half a cosine: c(x) = (1 + cos πx) / 2.

    Without a warm-up, that is `torch.optim.lr_scheduler.CosineAnnealingLR` with T_max = T and
    eta_min = e times the rate. The arguments are those of `WarmupSchedule`.

    Reference:
        Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017,
        arXiv 1608.03983.
    """

    def curve(self, progress: float) -> float:
        """Return c(progress)."""
        return (1 + math.cos(math.pi * progress)) / 2


class WarmupLinear(WarmupSchedule):
    """A warm-up, then a straight line: c(x) = 1 − x.

    The arguments are those of `WarmupSchedule`.
    """

    def curve(self, progress: float) -> float:
        """Return c(progress)."""
        return 1 - progress


class WarmupConstant(WarmupSchedule):
    """A warm-up, then the full learning rate, also beyond T; without `end_factor`."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int | None = None,
        *,
        warmup: float = 0.0,
        warmup_steps: int | None = None,
    ) -> None:
        super().__init__(
            optimizer, total_steps, warmup=warmup, warmup_steps=warmup_steps, end_factor=1.0
        )

    def curve(self, progress: float) -> float:
        """Return 1."""
        return 1.0


SCHEDULES: dict[str, type[WarmupSchedule]] = {
    "constant": WarmupConstant,
    "cosine": WarmupCosine,
    "linear": WarmupLinear,
}
