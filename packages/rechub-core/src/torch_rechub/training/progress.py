"""The progress of training that users see: a bar, and a line an epoch.

The lines are messages of the logger ``torch_rechub``. A library leaves the handling of messages to
the program, and Python shows those below a warning nowhere; so for the time of `fit` they have a
handler of their own, but only where the program has configured none.
"""

import logging
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm.std import tqdm

from .._streams import StandardStream
from ..distributed import process_rank

log = logging.getLogger("torch_rechub")

_STREAMS = {"stdout": StandardStream("stdout"), "stderr": StandardStream("stderr")}
_NOT_SHOWN = ("epoch", "seconds")


def progress_bar(progress: bool | None, data_loader: Iterable[Any], title: str) -> Any:
    """The batches of a loader, behind a progress bar.

    Args:
        progress: Whether to show it; None shows it on a terminal and in a notebook.
        data_loader: Yields batches.
        title: Stands before the bar.
    """
    settings: dict[str, Any] = {"desc": title, "leave": False}
    notebook = _in_notebook()
    if progress is None and process_rank() > 0:
        progress = False  # rank 0 speaks for all
    if notebook and progress is not False and (widget := _widget()) is not None:
        return widget(data_loader, **settings)
    # tqdm by itself takes a closed or broken stream for an error of the loop
    stream = _STREAMS["stdout" if notebook else "stderr"]  # which notebooks color as an error
    shown = progress if progress is not None else notebook or stream.isatty()
    return tqdm(data_loader, disable=not shown, file=stream, **settings)  # type: ignore[call-overload]


def report(progress: bool | None, message: str, *args: Any) -> None:
    """Send a message about the course of training to the log, for debugging if `progress=False`."""
    log.log(logging.DEBUG if progress is False else logging.INFO, message, *args)


def epoch_line(row: Mapping[str, float]) -> str:
    """The line of an epoch, a row of the history.

    Example:
        >>> epoch_line({"epoch": 2, "train/loss": 0.693147, "val/auc": 0.75, "seconds": 1.26})
        'epoch 2: train/loss 0.693147, val/auc 0.75 (1.3 s)'
    """
    values = [f"{name} {value:.6g}" for name, value in row.items() if name not in _NOT_SHOWN]
    return f"epoch {row['epoch']:.0f}: {', '.join(values)} ({row['seconds']:.1f} s)"


class _Shown(logging.Handler):
    """Writes messages to the standard streams, above a bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message, unless the program has been configured to do so meanwhile."""
        if logging.getLogger().handlers:
            return
        quiet = _in_notebook() and record.levelno < logging.WARNING
        stream = _STREAMS["stdout" if quiet else "stderr"]
        with tqdm.external_write_mode(file=stream):
            stream.write(self.format(record) + "\n")
            stream.flush()


_lock, _handler, _users = threading.Lock(), _Shown(), 0


@contextmanager
def messages_shown(progress: bool | None) -> Iterator[None]:
    """In this block show the messages of the library, if the program has configured no logging.

    Nothing is changed if `progress` is False, if this logger or the root logger has a handler or a
    level of the user, or if another process is the one that speaks for all.
    """
    speaks = progress is not False and (progress or process_rank() == 0) and _take()
    try:
        yield
    finally:
        if speaks:
            _give_back()


def _take() -> bool:
    """Attach the handler, or share it with a run of another thread; say whether that was done."""
    global _users
    with _lock:
        root = logging.getLogger()
        configured = log.handlers or root.handlers or log.level or root.level != logging.WARNING
        if _users == 0 and configured:
            return False
        if _users == 0:
            log.addHandler(_handler)
            log.setLevel(logging.INFO)
        _users += 1
        return True


def _give_back() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            log.removeHandler(_handler)
            if log.level == logging.INFO:  # else it was set meanwhile
                log.setLevel(logging.NOTSET)


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", ())


def _widget() -> Any:
    """The bar of notebooks; None where ipywidgets, which draws it, is not installed."""
    from tqdm import notebook

    return None if notebook.IProgress is None else notebook.tqdm_notebook
