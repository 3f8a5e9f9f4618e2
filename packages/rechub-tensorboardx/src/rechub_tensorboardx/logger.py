"""`TensorBoardXLogger`: TensorBoard event files behind the logger interface of Torch-RecHub."""

import inspect
import itertools
import logging
import os
import re
import textwrap
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

from torch_rechub.basic.tracking.logger import RunLogger
from torch_rechub.basic.tracking.plugin import (
    LegalNames,
    ending,
    failure_text,
    in_utf8,
    load_sdk,
    local_directory,
    refuse_unknown_options,
    without_secrets,
)
from torch_rechub.basic.tracking.presence import Presence

from .folder import RunFolder, Series
from .process import process_left_alone
from .writing import close_writer, flat_hparams, restart, session_end, write_through

_ILLEGAL = re.compile(r"[^-/\w.]")
_HPARAMS = "_hparams_/"
_serial = itertools.count()

log = logging.getLogger("torch_rechub.tracking")


class TensorBoardXLogger(RunLogger):
    """Records one run as a TensorBoard event file; see it with ``tensorboard --logdir <log_dir>``.

    Metrics become scalars. Hyper-parameters become one entry of the HParams tab, in the same event
    file, so TensorBoard shows one run: nested names are joined by ``/``, what is not a bool, number
    or text is written as text. TensorBoard reads that entry once, therefore it is written with the
    first metrics, from all hyper-parameters logged until then; the text ``hyperparameters`` always
    shows them all. The text ``status`` says how the run ended.

    Every row is on disk when `log_metrics` returns, so a crash loses nothing. TensorBoard keeps
    values as 32-bit floats. In names, characters other than letters, digits and ``_ . - /`` become
    ``_``, and those that begin like TensorBoard's own, ``_hparams_/``, get one more; reported once.

    A directory holds one run. What a logger records in the directory of an earlier run is added to
    it, as a test metric is, until it records a metric again from a step that the run has: then it
    is another run, and lies in a directory below: ``exp/exp-2``, as does what is recorded while
    another logger is still open there. Both are reported. `fit` with ``resume=True``, and
    `purge_step`, go on in the directory, and TensorBoard forgets what is recorded again.

    Args:
        log_dir: The run's directory, made if it does not exist; ``~`` is expanded.
        comment: Appended to the directory's name: ``runs/exp`` and ``_a`` give ``runs/exp_a``.
        **kwargs: Any other argument of ``tensorboardX.SummaryWriter``, for instance
            ``purge_step=5`` to resume a run in its directory at step 5.

    Attributes:
        writer: The open ``tensorboardX.SummaryWriter``, for whatever else it can do.
        log_dir: The final directory.

    Raises:
        ImportError: tensorboardX is missing or broken.
        TypeError: An argument that ``SummaryWriter`` does not know.
        ValueError: `log_dir` is empty or a URL such as ``s3://…``; `comment` holds a secret.
        OSError: The directory cannot be made or written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = TensorBoardXLogger(f"{folder}/exp", comment="_a")
        ...     logger.log_metrics({"val/auc": 0.75}, step=0)
        ...     logger.finish()
        ...     os.path.basename(logger.log_dir)
        'exp_a'
    """

    writer: Any
    log_dir: str

    def __init__(self, log_dir: str | os.PathLike[str], comment: str = "", **kwargs: Any) -> None:
        super().__init__()
        with process_left_alone():
            tensorboardx = load_sdk("tensorboardX", "rechub-tensorboardx")
        refuse_unknown_options("TensorBoardXLogger", kwargs, _writer_options(tensorboardx))
        names = {"comment": comment, "filename_suffix": kwargs.get("filename_suffix", "")}
        without_secrets("TensorBoardXLogger", names, ids=names)
        asked = _directory(log_dir, comment)
        kwargs.setdefault("filename_suffix", _suffix())
        purge_step = kwargs.pop("purge_step", None)
        try:
            self._folder = RunFolder(asked)
            self._earlier_files = self._folder.event_files()
            with process_left_alone():
                self.writer = tensorboardx.SummaryWriter(logdir=self._folder.path, **kwargs)
        except OSError as error:
            raise OSError(
                error.errno,
                f"TensorBoardXLogger cannot write to the directory {asked!r}: {error.strerror}",
            ) from error
        self.log_dir = self._folder.path
        if self._folder.taken:
            log.warning(
                "TensorBoardXLogger: another logger is writing to %s: this run is recorded in %s.",
                asked,
                self.log_dir,
            )
        self._names = LegalNames("TensorBoardXLogger", _legal)
        self._texts = LegalNames("TensorBoardXLogger", _legal_text)
        self._params: dict[str, Any] = {}
        self._session_started = False
        self._axis_of: dict[str, str] = {}
        self._earlier = Series(self._earlier_files).last_steps()
        self._next_step = max(self._earlier.values(), default=-1) + 1
        self._begin_file()
        if purge_step is not None:
            self.write_resume(purge_step, {})

    def _begin_file(self) -> None:
        write_through(self.writer)
        mine = set(self._folder.event_files()) - set(self._earlier_files)
        self._files = [Presence("TensorBoardXLogger", str(path)) for path in mine]

    def _check_files(self) -> None:
        for file in self._files:
            file.check()

    @property
    def recovery(self) -> str:
        """Where the run's files are."""
        return f"Its files are in {self.log_dir}."

    def define_axis(self, axis: str, metrics: Sequence[str]) -> None:
        """Leave these metrics out of the HParams tab; all steps count what their metric says."""
        self._axis_of |= dict.fromkeys(metrics, axis)

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Write scalars, through to the disk."""
        values = {self._names[name]: value for name, value in metrics.items()}
        self._check_files()
        again = [name for name in values if step <= self._earlier.get(name, -1)]
        if again:
            self._begin_another_run(again[0])
        if not self._axis_of.keys() >= metrics.keys():
            self._start_session(list(values))
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Add to what the HParams tab and the text ``hyperparameters`` show."""
        self._check_files()
        self._params.update(in_utf8(params))
        if self._session_started:
            # TensorBoard shows the first entry only; other readers of the file find the last.
            self._session_started = False
            self._start_session([])
        params = flat_hparams(self._params)
        table = "\n".join(f"    {name} = {value}" for name, value in params.items())
        self.writer.add_text("hyperparameters", table, self._next_step)
        self.writer.flush()

    def write_resume(self, step: int, others: dict[str, int]) -> None:
        """Have readers forget what the directory has from there on.

        TensorBoard knows one step for all metrics. Those that count something else, which grows
        faster than epochs, are written once more from there to their own step.
        """
        series = Series(self._earlier_files)
        ends = {self._names[n]: others[axis] for n, axis in self._axis_of.items() if axis in others}
        restart(self.writer, step)
        for event in series.between(step, ends):
            self.writer.file_writer.add_event(event, event.step, event.wall_time)
        self.writer.flush()
        self._earlier = {t: min(s, ends.get(t, step) - 1) for t, s in self._earlier.items()}

    def _begin_another_run(self, metric: str) -> None:
        """Go on in a folder of its own: the run that is in this one has these steps already."""
        before, files = self.log_dir, set(self._folder.event_files()) - set(self._earlier_files)
        close_writer(self.writer)
        self._folder.move()
        for path in files:
            os.replace(path, os.path.join(self._folder.path, path.name))
        self.log_dir = self.writer.logdir = self._folder.path
        self._earlier, self._earlier_files = {}, self._folder.event_files()
        self._next_step = 0
        self.writer._filename_suffix = _suffix()
        with process_left_alone():
            self.writer._get_file_writer()  # which it does by itself, when it is used next
        self._begin_file()
        log.warning(
            "TensorBoardXLogger: %s holds a run with %r at this step: this run is recorded in %s. "
            "To continue that one, pass resume=True to fit, or purge_step.",
            before,
            metric,
            self.log_dir,
        )

    def write_text(self, name: str, text: str, step: int) -> None:
        """Write a text, shown as it is."""
        self.writer.add_text(self._texts[name], textwrap.indent(text, "    "), step)
        self.writer.flush()

    def write_figure(self, name: str, figure: Any, step: int) -> None:
        """Write an image."""
        self.writer.add_figure(self._names[name], figure, step, close=False)
        self.writer.flush()

    def write_histogram(self, name: str, counts: list[int], edges: list[float], step: int) -> None:
        """Write a histogram; its sums are those of the middles of its bins."""
        middles = [(low + high) / 2 for low, high in pairwise(edges)]
        moments = [sum(n * m**k for n, m in zip(counts, middles, strict=True)) for k in (1, 2)]
        self.writer.add_histogram_raw(
            self._names[name], edges[0], edges[-1], sum(counts), *moments, edges[1:], counts, step
        )
        self.writer.flush()

    def close(self, failure: BaseException | None) -> None:
        """Write how the run ended and close the file."""
        self._start_session([])
        status = "success"
        if failure is not None:
            state = "aborted" if ending(failure) == "interrupted" else "crashed"
            status = f"{state}: {failure_text(failure)}"
        try:
            if self._session_started:
                self._add(session_end(failed=failure is not None))
            self.writer.add_text("status", status, self._next_step)
        finally:
            close_writer(self.writer)
            self._folder.release()
        self._check_files()

    def _start_session(self, metric_names: list[str]) -> None:
        if self._session_started or not self._params:
            return
        self._session_started = True
        hparams = import_module("tensorboardX.summary").hparams
        experiment, start, _ = hparams(flat_hparams(self._params), dict.fromkeys(metric_names))
        self._add(experiment)
        self._add(start)

    def _add(self, summary: Any) -> None:
        self.writer.file_writer.add_summary(summary)


def _suffix() -> str:
    """Two runs of one second in one directory would write over each other's file.

    The numbers are of one length because TensorBoard sorts files by name.
    """
    return f".{os.getpid()}.{next(_serial):06d}"


def _writer_options(tensorboardx: Any) -> set[str]:
    parameters = inspect.signature(tensorboardx.SummaryWriter).parameters.values()
    ours = {"logdir", "log_dir", "comment"}
    return {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - ours


def _directory(log_dir: str | os.PathLike[str], comment: str) -> str:
    path = os.fspath(log_dir)
    joined = (path.rstrip("/\\") or path) + comment if path else path
    return local_directory("TensorBoardXLogger", "log_dir", joined)


def _legal(name: str) -> str:
    legal = _ILLEGAL.sub("_", name).lstrip("/") or "_"
    return f"_{legal}" if legal.startswith(_HPARAMS) else legal


def _legal_text(name: str) -> str:
    """`hyperparameters` and `status` are texts of the logger's own."""
    return f"{name}_" if name in ("hyperparameters", "status") else _legal(name)
