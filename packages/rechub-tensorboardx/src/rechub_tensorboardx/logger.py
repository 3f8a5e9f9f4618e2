"""`TensorBoardXLogger`: TensorBoard event files behind the logger interface of Torch-RecHub."""

import logging
import os
import textwrap
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

from torch_rechub.basic.tracking.copied import PNG, NoEnd
from torch_rechub.basic.tracking.labels import run_labels
from torch_rechub.basic.tracking.logger import RunLogger
from torch_rechub.basic.tracking.plugin import (
    LegalNames,
    ending,
    failure_text,
    in_utf8,
    load_sdk,
    refuse_unknown_options,
    without_secrets,
)
from torch_rechub.basic.tracking.presence import Presence
from torch_rechub.basic.tracking.stored_files import store_file
from torch_rechub.basic.tracking.table_text import table_text

from .folder import RunFolder, Series
from .media import ARTIFACTS
from .names import directory, legal, legal_text, suffix, writer_options
from .process import process_left_alone
from .writing import close_writer, flat_hparams, image, restart, session_end, write_through

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

    A directory holds one run. A logger in the directory of an earlier run adds to it, for instance
    a test metric. If it records a metric again at a step that the run already has, or if another
    logger is still open there, it writes a new run to a subdirectory, ``exp/exp-2``, which is
    reported. `fit` with ``resume=True``, and `purge_step`, continue in the directory, and
    TensorBoard drops the superseded records.

    Args:
        log_dir: The run's directory, made if it does not exist; ``~`` is expanded.
        comment: Appended to the directory's name: ``runs/exp`` and ``_a`` give ``runs/exp_a``.
        group: The group of runs that it belongs to, such as the trials of a search.
        parent: The id of the run that it belongs to or continues.
        tags: Labels of the run.
        **kwargs: Any other argument of ``tensorboardX.SummaryWriter``, for instance
            ``purge_step=5`` to resume a run in its directory at step 5.

    Attributes:
        writer: The open ``tensorboardX.SummaryWriter``, for direct use.
        log_dir: The final directory.

    Raises:
        ImportError: tensorboardX is missing or broken.
        TypeError: An argument that ``SummaryWriter`` does not know.
        ValueError: `log_dir` is empty or a URL such as ``s3://…``; `comment` holds a secret.
        OSError: The directory cannot be created or written.

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

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        comment: str = "",
        *,
        group: str | None = None,
        parent: str | None = None,
        tags: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        labels = run_labels("TensorBoardXLogger", group, parent, tags)
        with process_left_alone():
            tensorboardx = load_sdk("tensorboardX", "rechub-tensorboardx")
        known = writer_options(tensorboardx) | {"comment", "group", "parent", "tags"}
        refuse_unknown_options("TensorBoardXLogger", kwargs, known)
        names = {"comment": comment, "filename_suffix": kwargs.get("filename_suffix", "")}
        without_secrets("TensorBoardXLogger", names, ids=names)
        asked = directory(log_dir, comment)
        kwargs.setdefault("filename_suffix", suffix())
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
        self._names = LegalNames("TensorBoardXLogger", legal)
        self._texts = LegalNames("TensorBoardXLogger", legal_text)
        self._params: dict[str, Any] = {}
        self._session_started = False
        self._axis_of: dict[str, str] = {}
        self._earlier = Series(self._earlier_files).last_steps()
        self._next_step = max(self._earlier.values(), default=-1) + 1
        self._begin_file()
        if purge_step is not None:
            self.write_resume(purge_step, {})
        if labels:
            self.write_hyperparams(labels)

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
        """Exclude these metrics from the HParams tab; TensorBoard has no axes of their own."""
        self._axis_of |= dict.fromkeys(metrics, axis)

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Write scalars and flush them to the disk."""
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
        """Add to the HParams tab and the text ``hyperparameters``."""
        self._check_files()
        self._params.update(in_utf8(params))
        if self._session_started:
            # TensorBoard shows the first entry only; other readers of the file use the last
            self._session_started = False
            self._start_session([])
        params = flat_hparams(self._params)
        table = "\n".join(f"    {name} = {value}" for name, value in params.items())
        self.writer.add_text("hyperparameters", table, self._next_step)
        self.writer.flush()

    def write_resume(self, step: int, others: dict[str, int]) -> None:
        """Mark the records of the directory from these steps on as superseded.

        TensorBoard has one restart step for all metrics. Metrics of other axes, whose steps grow
        faster than epochs, are written again from that step up to their own.
        """
        series = Series(self._earlier_files)
        ends = {self._names[n]: others[axis] for n, axis in self._axis_of.items() if axis in others}
        restart(self.writer, step)
        for event in series.between(step, ends):
            self.writer.file_writer.add_event(event, event.step, event.wall_time)
        self.writer.flush()
        self._earlier = {t: min(s, ends.get(t, step) - 1) for t, s in self._earlier.items()}

    def _begin_another_run(self, metric: str) -> None:
        """Continue in a new folder, because the run in this one already has these steps."""
        before, files = self.log_dir, set(self._folder.event_files()) - set(self._earlier_files)
        close_writer(self.writer)
        self._folder.move()
        for path in files:
            os.replace(path, os.path.join(self._folder.path, path.name))
        self.log_dir = self.writer.logdir = self._folder.path
        self._earlier, self._earlier_files = {}, self._folder.event_files()
        self._next_step = 0
        self.writer._filename_suffix = suffix()
        with process_left_alone():
            # opens the new file now; otherwise the next use would, outside of this block
            self.writer._get_file_writer()
        self._begin_file()
        log.warning(
            "TensorBoardXLogger: %s holds a run with %r at this step: this run is recorded in %s. "
            "To continue that one, pass resume=True to fit, or purge_step.",
            before,
            metric,
            self.log_dir,
        )

    def write_text(self, name: str, text: str, step: int) -> None:
        """Write a text, shown verbatim."""
        self.writer.add_text(self._texts[name], textwrap.indent(text, "    "), step)
        self.writer.flush()

    def write_figure(self, name: str, figure: Any, step: int) -> None:
        """Write an image."""
        if isinstance(figure, PNG):
            self.writer.file_writer.add_summary(image(self._names[name], figure), step)
            self.writer.flush()
            return
        self.writer.add_figure(self._names[name], figure, step, close=False)
        self.writer.flush()

    def write_histogram(self, name: str, counts: list[int], edges: list[float], step: int) -> None:
        """Write a histogram; its sums are computed from the centers of the bins."""
        middles = [(low + high) / 2 for low, high in pairwise(edges)]
        moments = [sum(n * m**k for n, m in zip(counts, middles, strict=True)) for k in (1, 2)]
        self.writer.add_histogram_raw(
            self._names[name], edges[0], edges[-1], sum(counts), *moments, edges[1:], counts, step
        )
        self.writer.flush()

    def write_table(self, name: str, columns: list[str], rows: list[list[Any]], step: int) -> None:
        """Write a table, as a text in Markdown."""
        self.writer.add_text(self._texts[name], table_text(columns, rows), step)
        self.writer.flush()

    def write_artifact(self, name: str, path: str, kind: str) -> None:
        """Copy a file into the folder ``artifacts`` of the run, with a text that names it."""
        copy = store_file(os.path.join(self.log_dir, ARTIFACTS), name, path)
        tag = self._texts[f"{ARTIFACTS}/{name}"]
        self.writer.add_text(tag, f"    {os.path.basename(copy)}", self._next_step)
        self.writer.flush()

    def close(self, failure: BaseException | None) -> None:
        """Write the status of the run and close the file."""
        self._start_session([])
        if isinstance(failure, NoEnd):
            close_writer(self.writer)
            self._folder.release()
            return
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
