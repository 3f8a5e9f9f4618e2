"""The progress of training: a bar, and log messages that are visible without configured logging.

The messages go to the logger ``torch_rechub``. Without a handler Python drops messages below
WARNING, so `fit` attaches a handler while it runs, but only if the program has configured no
logging. The root logger is never changed.
"""

import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm.std import tqdm

from .._streams import StandardStream, usable_streams
from ..distributed import process_rank
from .interruption import sigterm_raises

log = logging.getLogger("torch_rechub")

_STREAMS = {"stdout": StandardStream("stdout"), "stderr": StandardStream("stderr")}


def progress_bar(progress: bool | None, data_loader: Iterable[Any], title: str) -> Any:
    """Wrap a loader in a progress bar.

    Args:
        progress: Whether to show the bar; None shows it on a terminal and in a notebook.
        data_loader: The loader.
        title: The label of the bar.
    """
    settings: dict[str, Any] = {"desc": title, "leave": False}
    notebook = _in_notebook()
    if progress is None and process_rank() > 0:
        progress = False
    if notebook and progress is not False and (widget := _widget()) is not None:
        return widget(data_loader, **settings)
    # tqdm raises on a closed or broken stream; notebooks show stderr as errors
    stream = _STREAMS["stdout" if notebook else "stderr"]
    shown = progress if progress is not None else notebook or stream.isatty()
    return tqdm(data_loader, disable=not shown, file=stream, **settings)


class _Shown(logging.Handler):
    """Writes messages to the standard streams, above an open progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message, unless the program has configured logging in the meantime."""
        if logging.getLogger().handlers:
            return
        quiet = _in_notebook() and record.levelno < logging.WARNING
        stream = _STREAMS["stdout" if quiet else "stderr"]
        with tqdm.external_write_mode(file=stream):
            stream.write(self.format(record) + "\n")
            stream.flush()


@contextmanager
def process_prepared(progress: bool | None) -> Iterator[None]:
    """Prepare the process for `fit`: usable streams, visible messages, SIGTERM as an exception."""
    with usable_streams(), messages_shown(progress), sigterm_raises():
        yield


_lock, _handler, _users = threading.Lock(), _Shown(), 0


@contextmanager
def messages_shown(progress: bool | None) -> Iterator[None]:
    """Show the messages of the library in this block, if the program has configured no logging.

    Nothing changes if `progress` is False, if this logger or the root logger has a handler or a
    level set by the user, or if this process is not rank 0.
    """
    attached = progress is not False and (progress or process_rank() == 0) and _take()
    try:
        yield
    finally:
        if attached:
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
            if log.level == logging.INFO:  # otherwise the user has set it in the meantime
                log.setLevel(logging.NOTSET)


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", ())


def _widget() -> Any:
    """Return the progress bar class for notebooks; None if ipywidgets is not installed."""
    from tqdm import notebook

    return None if notebook.IProgress is None else notebook.tqdm_notebook
