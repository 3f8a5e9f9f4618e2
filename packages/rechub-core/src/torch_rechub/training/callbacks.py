"""Callbacks: code of the user that `fit` calls before, during and after training."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from torch import Tensor

log = logging.getLogger("torch_rechub")

Status = Literal["completed", "stopped", "interrupted", "failed"]
_METHODS = ("on_fit_begin", "on_step", "on_epoch_end", "on_fit_end")


class Callback:
    """Called by `fit`; every method does nothing here, so override what you need.

    An object of another class with some of these methods will do as well. An exception from a
    callback ends training as any other does: loggers are finished, the best weights are restored.

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
            trainer: The trainer, whose data have been checked.
        """

    def on_step(self, step: int, losses: Tensor) -> None:
        """Called after each step of the optimizer.

        Args:
            step: The number of the step, counted from 1 through all epochs.
            losses: The losses of the step, (n,), on the device: reading them waits for it.
        """

    def on_epoch_end(self, row: dict[str, float]) -> bool | None:
        """Called after each epoch, when it has been recorded.

        Args:
            row: The epoch as in `trainer.history`: `epoch`, every metric, `seconds`.

        Returns:
            True to stop training.
        """

    def on_fit_end(self, status: Status) -> None:
        """Called when training has ended, with the best weights in the model, and after the test.

        Args:
            status: "completed", all epochs; "stopped", by early stopping or a callback;
                "interrupted", by Ctrl-C or SIGTERM; "failed", by an exception.
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
        """The method of each callback that has it, and not merely from `Callback`."""
        found = [(one, getattr(one, method, None)) for one in self.callbacks]
        own = getattr(Callback, method)
        return [call for one, call in found if call and getattr(type(one), method, None) is not own]

    def step_listeners(self) -> list[Callable[[int, Tensor], Any]]:
        """The methods to call after each step."""
        return self._each("on_step")

    def on_epoch_end(self, row: Mapping[str, float]) -> bool:
        """Call each; whether one of them stops training."""
        stops = [bool(call(dict(row))) for call in self._each("on_epoch_end")]
        return any(stops)

    def stopped(self) -> None:
        """Note that training ends before its last epoch."""
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
            for failure in _ended(begun, status):  # training's own error is the one to raise
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
    """Stands for a method that a callback lacks."""
