"""Callbacks: user code that `fit` calls before, during and after training."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from torch import Tensor

log = logging.getLogger("torch_rechub")

Status = Literal["completed", "stopped", "interrupted", "failed"]
_METHODS = ("on_fit_begin", "on_step", "on_epoch_end", "on_fit_end")


class Callback:
    """The base class of callbacks: `fit` calls its methods, which do nothing by default.

    Objects of other classes with some of these methods are accepted, too. An exception of a
    callback ends training like any other: loggers are finished and the best weights are restored.

    Example:
        >>> class StopAtGoal(Callback):
        ...     def on_epoch_end(self, row):
        ...         return row["train/loss"] < 0.1
        >>> StopAtGoal().on_epoch_end({"epoch": 0, "train/loss": 0.05})
        True
    """

    def on_fit_begin(self, trainer: Any) -> None:
        """Called before the first epoch.

        Args:
            trainer: The trainer, after the checks of the data.
        """

    def on_step(self, step: int, losses: Tensor) -> None:
        """Called after each step of the optimizer.

        Args:
            step: The number of the step over all epochs, from 1.
            losses: The losses of the step, (n,), on the device: reading them synchronizes.
        """

    def on_epoch_end(self, row: dict[str, float]) -> bool | None:
        """Called after each epoch was recorded.

        Args:
            row: The row of `trainer.history`: `epoch`, all metrics, `seconds`.

        Returns:
            True to stop training.
        """

    def on_fit_end(self, status: Status) -> None:
        """Called after the best weights were restored and test data, if any, were measured.

        Args:
            status: "completed"; "stopped" by early stopping or a callback; "interrupted" by Ctrl-C
                or SIGTERM; "failed" by an exception.
        """


class Callbacks:
    """The callbacks of a trainer, called in the order given.

    Args:
        callbacks: The callbacks.

    Raises:
        TypeError: They are no sequence, or one of them has none of the methods of `Callback`.
    """

    def __init__(self, callbacks: Sequence[Any]) -> None:
        if not isinstance(callbacks, list | tuple):
            raise TypeError(f"callbacks must be a list of callbacks, got {callbacks!r}")
        for one in callbacks:
            if isinstance(one, type) or not any(callable(getattr(one, m, None)) for m in _METHODS):
                raise TypeError(
                    f"callbacks must be objects with methods of Callback ({', '.join(_METHODS)}), "
                    f"got {one!r}"
                )
        self.callbacks = list(callbacks)
        self._stopped = False

    def _each(self, method: str) -> list[Callable[..., Any]]:
        """Return the given method of each callback that overrides or defines it."""
        found = [(one, getattr(one, method, None)) for one in self.callbacks]
        own = getattr(Callback, method)
        return [call for one, call in found if call and getattr(type(one), method, None) is not own]

    def step_listeners(self) -> list[Callable[[int, Tensor], Any]]:
        """The methods to call after each step."""
        return self._each("on_step")

    def on_epoch_end(self, row: Mapping[str, float]) -> bool:
        """Call all callbacks; return whether one of them stops training."""
        stops = [bool(call(dict(row))) for call in self._each("on_epoch_end")]
        return any(stops)

    def stopped(self) -> None:
        """Record that training ends before its last epoch."""
        self._stopped = True

    @contextmanager
    def during_fit(self, trainer: Any) -> Iterator[None]:
        """Call `on_fit_begin` of each now, and `on_fit_end` when the block ends."""
        self._stopped = False
        begun: list[Any] = []
        try:
            for one in self.callbacks:
                begun.append(one)
                getattr(one, "on_fit_begin", _nothing)(trainer)
            yield
        except BaseException as error:
            status: Status = "failed" if isinstance(error, Exception) else "interrupted"
            # an exception of training itself takes precedence
            for failure in _ended(begun, status):
                log.error("A callback failed in on_fit_end.", exc_info=failure)
            raise
        for failure in _ended(begun, "stopped" if self._stopped else "completed"):
            raise failure


def _ended(callbacks: Sequence[Any], status: Status) -> list[Exception]:
    """Call `on_fit_end` of each; return the exceptions."""
    failures = []
    for one in callbacks:
        try:
            getattr(one, "on_fit_end", _nothing)(status)
        except Exception as failure:
            failures.append(failure)
    return failures


def _nothing(*args: Any) -> None:
    """The default for a missing method of a callback."""
