"""`SwanLabLogger`: a run of SwanLab behind the logger interface of Torch-RecHub."""

import inspect
import io
import logging
import os
import re
import signal
from collections.abc import Mapping, Sequence
from glob import escape, glob
from importlib import import_module
from typing import Any

from torch_rechub.basic.tracking.copied import PNG
from torch_rechub.basic.tracking.foreign import undisturbed
from torch_rechub.basic.tracking.labels import accepted_tags, run_labels
from torch_rechub.basic.tracking.logger import RunLogger
from torch_rechub.basic.tracking.plugin import (
    LegalNames,
    ending,
    failure_text,
    in_utf8,
    load_sdk,
    plain_config,
    refuse_unknown_options,
    shortened,
    without_secrets,
)
from torch_rechub.basic.tracking.presence import Presence
from torch_rechub.basic.tracking.stored_files import folder_name, store_file
from torch_rechub.basic.tracking.table_text import table_text

from .console import print_where_possible
from .media import ARTIFACTS, TABLE
from .opening import (
    NEWER_NAMES,
    left_to_python,
    quiet_settings,
    redact_errors,
    with_older_names,
    working_folder,
)

log = logging.getLogger("torch_rechub.tracking")

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
_SYSTEM_PREFIX = "__swanlab__."
_LARGEST_STEP = 2**48  # swanlab drops later steps
# swanlab truncates names at 512, where long names may collide; this leaves room for a digest
_LONGEST_NAME = 500
_LONGEST_LABEL, _MOST_TAGS = 512, 30


class SwanLabLogger(RunLogger):
    """Records one run in SwanLab.

    The run is opened here, so a missing key or package fails before training, and closed by
    `finish()`, which a trainer calls: as ``success``, ``crashed`` with the error, or ``aborted``
    after Ctrl-C or SIGTERM. Construction never asks for input: without an API key it raises.

    SwanLab keeps one run per process: finish a logger before you create the next one.

    Hyper-parameters that are NaN or infinite become the texts ``NaN`` and, without sign, ``Inf``.

    Machine, git state, list of packages and terminal output are not collected unless you ask for
    them with `settings` or swanlab's environment variables (``SWANLAB_PROBE_GIT=true``, …).

    Every row is queued for the disk when `log_metrics` returns; a killed process loses only records
    of its last milliseconds.

    SwanLab keeps the first value of a name at a step and drops later ones; that is reported once.
    It knows steps up to 2**48; `log_metrics` raises ValueError for a larger one.
    Names that it would drop or truncate (control characters, blanks, ``.`` and ``/`` at either end,
    more than 500 characters, its own prefix) are replaced by similar ones, reported once.

    Args:
        project: The project the run belongs to; the working directory's name by default.
        experiment_name: The run's display name; swanlab invents one by default.
        description: A longer description.
        config: Initial hyper-parameters; a value logged later under the same name replaces it.
        logdir: Where local files go; ``~`` is expanded. By default ``swanlog`` here.
        tags: Labels of the run.
        group: The group of runs that it belongs to, such as the trials of a search.
        parent: The id of the run that it belongs to or continues.
        **kwargs: Any other argument of ``swanlab.init``: ``mode="offline"``, ``settings=…`` (a
            ``swanlab.Settings`` or a dict of the same form), …, and its newer names ``name``,
            ``notes`` and ``log_dir``.

    Attributes:
        run: The open ``swanlab.Run``, for direct use of swanlab.

    Raises:
        ImportError: swanlab is missing or broken.
        TypeError: An argument that ``swanlab.init`` does not know, or a `config` that is not a
            dict.
        ValueError: An id of a run that holds a secret.
        RuntimeError: Another run is active and `reinit` is not True, or swanlab could not open the
            run, for instance for lack of an API key.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +ELLIPSIS
        ...     logger = SwanLabLogger("demo", logdir=folder, mode="offline")
        ...     logger.log_metrics({"val/auc": 0.75}, step=0)
        ...     logger.finish()
        swanlab: ...
    """

    run: Any

    def __init__(
        self,
        project: str | None = None,
        experiment_name: str | None = None,
        description: str | None = None,
        config: Mapping[str, Any] | None = None,
        logdir: str | os.PathLike[str] | None = None,
        *,
        tags: Sequence[str] | None = None,
        group: str | None = None,
        parent: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        swanlab = load_sdk("swanlab", "rechub-swanlab")
        own = {"experiment_name": experiment_name, "description": description, "logdir": logdir}
        options = with_older_names(kwargs, own)
        folder = own.pop("logdir")
        # swanlab.init ignores unknown arguments silently
        parameters = inspect.signature(swanlab.init).parameters.values()
        known = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
        refuse_unknown_options("SwanLabLogger", kwargs, known | {*NEWER_NAMES, "parent"})
        labels = run_labels("SwanLabLogger", group, parent, tags)
        plain = in_utf8({**(plain_config("SwanLabLogger", config) or {}), **labels})
        if swanlab.has_run() and not options.get("reinit"):
            raise RuntimeError(
                "SwanLab keeps one run per process, and one is active. Call finish() on its logger "
                "(or swanlab.finish()) first; or pass reinit=True, which ends that run."
            )
        accepted = accepted_tags(tags, _LONGEST_LABEL, _MOST_TAGS)
        native = in_utf8(group or "")[:_LONGEST_LABEL] or None
        about = {"project": project, "tags": accepted, "group": native}
        called = without_secrets("SwanLabLogger", {**options, **own, **about})
        called["settings"] = quiet_settings(swanlab, options.get("settings"))
        called["log_dir"] = working_folder(swanlab, folder, called["settings"])
        called["name"] = called.pop("experiment_name")
        print_where_possible()
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        self.run = _opened(swanlab, plain, called)
        self.any_thread = left_to_python(self.run, on_ctrl_c)
        self._swanlab = swanlab
        core = getattr(self.run, "_core", None)
        self._observer = _observer(core)
        _write_through(self.run, core)
        redact_errors(self.run)
        self._names = LegalNames("SwanLabLogger", _legal)
        kept = self.run.mode != "online" and glob(f"{escape(str(self.run.dir))}/run-*.swanlab")
        self._files = [Presence("SwanLabLogger", path) for path in kept or []]
        self._recorded: dict[str, set[int]] = {}
        self._warned_of_repetition = False

    @property
    def recovery(self) -> str:
        """Where the run's files are, and the command that uploads them."""
        return f"Its files are in {self.run.dir}; send them with: swanlab sync {self.run.dir}"

    def write_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Write the values; see the class for names logged twice at one step."""
        self._check_files()
        if step > _LARGEST_STEP:
            raise ValueError(f"step must be at most 2**48 in SwanLab, got {step}")
        values = {self._names[name]: value for name, value in metrics.items()}
        for name in values:
            steps = self._recorded.setdefault(name, set())
            if step in steps and not self._warned_of_repetition:
                self._warned_of_repetition = True
                log.warning(
                    "SwanLabLogger: %r was logged at step %d already. SwanLab keeps the first "
                    "value of a name at a step; this one and others like it are not recorded.",
                    name,
                    step,
                )
            steps.add(step)
        self.run.log(values, step=step)

    def write_hyperparams(self, params: dict[str, Any]) -> None:
        """Write to the run's config; the last value of a name wins."""
        self._check_files()
        self.run.config.update(in_utf8(params))

    def _check_files(self) -> None:
        for file in self._files:
            file.check()

    def write_text(self, name: str, text: str, step: int) -> None:
        """Write a text."""
        self.run.log({self._names[name]: self._swanlab.Text(text)}, step=step)

    def write_figure(self, name: str, figure: Any, step: int) -> None:
        """Write an image."""
        drawn = figure
        if isinstance(figure, PNG):
            drawn = import_module("PIL.Image").open(io.BytesIO(figure.data))
        self.run.log({self._names[name]: self._swanlab.Image(drawn)}, step=step)

    def write_table(self, name: str, columns: list[str], rows: list[list[Any]], step: int) -> None:
        """Write a table, as a text in Markdown."""
        text = self._swanlab.Text(table_text(columns, rows), caption=TABLE)
        self.run.log({self._names[name]: text}, step=step)

    def write_artifact(self, name: str, path: str, kind: str) -> None:
        """Keep a copy of a file in the run's folder; online, swanlab uploads it."""
        folder = os.path.join(str(self.run.dir), ARTIFACTS, folder_name(name))
        copy = store_file(folder, name, path)
        # swanlab takes a pattern of names
        self.run.save(escape(copy), base_path=str(self.run.dir), policy="end")

    def close(self, failure: BaseException | None) -> None:
        """Finish the run as success, crashed or aborted."""
        try:
            # swanlab's own handler of Ctrl-C may have finished the run already
            if not self.run.alive:
                return
            if failure is None:
                self.run.finish(state="success")
            else:
                state = "aborted" if ending(failure) == "interrupted" else "crashed"
                self.run.finish(state=state, error=failure_text(failure))
        finally:
            _stop(self._observer)
        self._check_files()


def _write_through(run: Any, core: Any) -> None:
    """Write each record to the file at once, instead of in batches of a hundred.

    By default swanlab collects records until half a second of inactivity, and buffers them again:
    most runs whose process is killed would lose everything.
    """
    consumer: Any = getattr(getattr(run, "_components", None), "consumer", None)
    if hasattr(consumer, "_batch_size"):
        consumer._batch_size = 1
    store: Any = getattr(core, "_store", None)
    write, flush = getattr(store, "write", None), getattr(store, "ensure_flushed", None)
    if write is None or flush is None:
        return

    def write_through(data: bytes) -> None:
        try:
            write(data)
            flush()
        except OSError as error:  # a full disk; swanlab would print a traceback for every record
            log.warning("SwanLabLogger: the run's file cannot be written any more (%s).", error)
            store.write, store.close = (lambda data: None), (lambda: None)

    store.write = write_through


def _opened(swanlab: Any, params: dict[str, Any], options: dict[str, Any]) -> Any:
    """Open a run; an error of SwanLab names the remedies."""
    try:
        return undisturbed(swanlab.init)(config=params, **options)
    except (TypeError, ValueError):
        raise
    except Exception as error:
        raise RuntimeError(
            f"SwanLabLogger could not open its run: {error} Log in once with `swanlab login` "
            "or set SWANLAB_API_KEY, or record on this machine only with mode='offline'."
        ) from error


def _observer(core: Any) -> Any:
    """The file watcher of the run, if it can be found."""
    return getattr(getattr(core, "_watcher", None), "_observer", None)


def _stop(observer: Any) -> None:
    """End the thread of watchdog's observer, which swanlab ends only if it was used.

    Each leftover observer holds one of the 128 inotify instances that Linux allows per user.
    """
    if observer is not None and observer.ident is None:
        observer.stop()


def _legal(name: str) -> str:
    legal = _CONTROL_CHARACTERS.sub("_", name).strip(" ./") or "_"
    if legal.startswith(_SYSTEM_PREFIX):
        legal = f"_{legal}"
    return shortened(legal, _LONGEST_NAME)
