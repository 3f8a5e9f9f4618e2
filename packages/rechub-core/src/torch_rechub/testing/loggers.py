"""The contract of loggers as a pytest class, for the tests of tracker packages."""

import logging
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from torch_rechub.basic.tracking import BaseLogger, LoggerClosedError, LoggerGroup
from torch_rechub.runs import Run

from .contract import Contract
from .logger_records import RecordedRun, RecordsContract

__all__ = ["LoggerContract", "RecordedRun"]

_SECRET = "contract-secret-1f9c2a"
_STRANGE_NAMES = (
    "two words",
    "two_words",
    "精排/损失",
    "/slashes/",
    "ends.",
    "a\nb",
    "_step",
    "step",
    "_timestamp",
    "__swanlab__.cpu",
    "x" * 600,
    "x" * 601,
    "",
)


class LoggerContract(RecordsContract, Contract):
    """The contract of loggers as tests: subclass it for your tracker.

    Each test writes through a logger and compares with the stored run. A subclass implements the
    creation of a logger and the reading of a stored run; for a tracker that writes JSON lines::

        import json
        from torch_rechub.testing import LoggerContract, RecordedRun
        from my_package import JsonLogger

        class TestJsonLogger(LoggerContract):
            def make_logger(self, directory, **kwargs):
                return JsonLogger(directory / "run.jsonl", **kwargs)

            def read_run(self, directory):
                run = RecordedRun(failed=False)
                for line in (directory / "run.jsonl").read_text().splitlines():
                    row = json.loads(line)
                    for name, value in row.get("metrics", {}).items():
                        run.metrics.setdefault(name, []).append((row["step"], value))
                    run.hyperparams.update(row.get("params", {}))
                    run.failed = run.failed or "error" in row
                return run

    If possible, read with other code than the one that writes: another library, or the raw bytes.
    If your package has a reader for ``rechub``, `read_run` may return its `torch_rechub.runs.Run`.
    A logger that supports one run per process sets ``one_run_at_a_time = True``. A tracker of a
    service needs an offline mode: the tests must not use the network.

    A tracker that keeps labels, tables or artifacts sets ``keeps_labels``, ``keeps_tables`` or
    ``keeps_files`` to True.

    A subclass of `RunLogger` fulfills much of the contract already: plain floats, whole steps,
    redacted hyper-parameters, and `LoggerClosedError` after `finish()`.
    """

    one_run_at_a_time: bool = False
    """Whether the SDK keeps one run per process."""

    def make_logger(self, directory: Path, **kwargs: Any) -> BaseLogger:
        """Return an open logger that stores its files below `directory`.

        Args:
            directory: An empty directory; a different one for each run.
            **kwargs: Passed on to the logger's constructor.
        """
        raise NotImplementedError("return a logger of your tracker")

    def read_run(self, directory: Path) -> RecordedRun | Run:
        """Return the run stored below `directory`; its logger is finished."""
        raise NotImplementedError("return the stored run")

    @pytest.fixture
    def epochs(self, tmp_path: Path) -> Path:
        """The directory of a run of three epochs, recorded as by a trainer."""
        with LoggerGroup([self.make_logger(tmp_path)]) as group:
            group.log_hyperparams({"learning_rate": 0.1, "n_epoch": 3, "password": _SECRET})
            group.log_hyperparams(
                {"learning_rate": 0.001, "model": {"name": "DeepFM", "dropout": 0.2}, "amp": True}
            )
            for epoch, auc in enumerate((0.5, 0.75, 0.625)):
                group.log_metrics({"train/loss": 1.0 / (epoch + 1), "learning_rate": 0.1}, epoch)
                group.log_metrics({"val/auc": auc}, epoch)
        return tmp_path

    @pytest.fixture
    def recorded(self, epochs: Path) -> RecordedRun | Run:
        """The records of that run."""
        return self.read_run(epochs)

    def test_every_value_is_recorded_at_its_step(self, recorded: RecordedRun | Run) -> None:
        """Names, steps and values are stored unchanged, and nothing else is stored."""
        expected = {
            "train/loss": [(0, 1.0), (1, 0.5), (2, 1 / 3)],
            "learning_rate": [(0, 0.1), (1, 0.1), (2, 0.1)],
            "val/auc": [(0, 0.5), (1, 0.75), (2, 0.625)],
        }
        assert recorded.metrics.keys() == expected.keys()
        for name, pairs in expected.items():
            assert [step for step, _ in recorded.metrics[name]] == [step for step, _ in pairs]
            assert [value for _, value in recorded.metrics[name]] == pytest.approx(
                [value for _, value in pairs], rel=1e-6
            )

    def test_hyperparams_are_recorded_and_the_last_value_of_a_name_wins(
        self, recorded: RecordedRun | Run
    ) -> None:
        """Later calls add to earlier ones; a second value of a name replaces the first."""
        params = _flat(recorded.hyperparams)
        assert params["learning_rate"] == 0.001
        assert params["n_epoch"] == 3
        assert params["model/name"] == "DeepFM"
        assert params["model/dropout"] == 0.2
        assert params["amp"] is True

    def test_secrets_do_not_reach_the_disk(self, epochs: Path) -> None:
        """No file of the run contains the value of a hyper-parameter called `password`."""
        files = [path for path in epochs.rglob("*") if path.is_file()]
        assert files
        assert [path for path in files if _SECRET.encode() in path.read_bytes()] == []

    def test_a_run_that_ends_well_is_not_recorded_as_failed(
        self, recorded: RecordedRun | Run
    ) -> None:
        """A run that was finished without an error."""
        assert recorded.failed is False

    def test_numbers_of_any_kind_are_recorded(self, tmp_path: Path) -> None:
        """Bools, ints, NaN, infinity, NumPy numbers, objects with `.item()`, such as tensors."""
        np = pytest.importorskip("numpy")  # trackers do not need it
        floats = {"nan": float("nan"), "inf": float("inf")}
        numbers = {"bool": True, "int": 7, "numpy": np.float32(0.5), "tensor": _Tensor(0.25)}
        with self.make_logger(tmp_path) as logger:
            logger.log_metrics({**floats, **numbers, "text": "no number"}, step=0)
        metrics = self.read_run(tmp_path).metrics
        expected = {**floats, "bool": 1.0, "int": 7.0, "numpy": 0.5, "tensor": 0.25}
        assert {name: pairs[0][1] for name, pairs in metrics.items()} == pytest.approx(
            expected, nan_ok=True
        )

    def test_steps_are_of_the_same_types_as_values(self, tmp_path: Path) -> None:
        """Whole numbers are accepted as steps; others are refused."""
        np = pytest.importorskip("numpy")
        steps = (0, True, np.int64(2), np.float32(3), np.array(4), _Tensor(5), _Tensor(6.0))
        with self.make_logger(tmp_path) as logger:
            for number, step in enumerate(steps):
                logger.log_metrics({"a": number}, step=step)
            for step in (-1, 0.5, "7", _Tensor(0.5)):
                with pytest.raises(ValueError, match="step"):
                    logger.log_metrics({"a": 9}, step=step)  # type: ignore[arg-type]
        assert self.read_run(tmp_path).metrics == {"a": [(n, n) for n in range(len(steps))]}

    def test_steps_may_be_left_out_skipped_or_go_back(self, tmp_path: Path) -> None:
        """A missing step is the largest one + 1; no value is lost when steps go back."""
        with self.make_logger(tmp_path) as logger:
            logger.log_metrics({"a": 0.0})
            logger.log_metrics({"a": 1.0})
            logger.log_metrics({"a": 8.0}, step=8)
            logger.log_metrics({"a": 3.0}, step=3)
            logger.log_metrics({"a": 9.0})
        pairs = self.read_run(tmp_path).metrics["a"]
        assert sorted(pairs) == [(0, 0.0), (1, 1.0), (3, 3.0), (8, 8.0), (9, 9.0)]

    def test_metrics_of_strange_names_are_neither_lost_nor_mixed(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each name has its own series; a changed name is reported."""
        values = {name: float(i) for i, name in enumerate(_STRANGE_NAMES)}
        with caplog.at_level(logging.WARNING), self.make_logger(tmp_path) as logger:
            logger.log_metrics(values, step=0)
            logger.log_metrics(values, step=1)
        metrics = self.read_run(tmp_path).metrics
        series = [[(0, value), (1, value)] for value in values.values()]
        assert sorted(metrics.values()) == sorted(series)
        for name, value in values.items():
            kept = metrics.get(name) == [(0, value), (1, value)]
            assert kept or repr(name) in caplog.text, f"{name!r} changed without a warning"

    def test_an_exception_is_recorded_as_a_failure(self, tmp_path: Path) -> None:
        """The exception reaches the user unchanged."""
        error = ValueError("the loss is nan")
        with pytest.raises(ValueError) as raised, self.make_logger(tmp_path) as logger:  # noqa: PT012
            logger.log_metrics({"a": 1.0}, step=0)
            raise error
        assert raised.value is error
        run = self.read_run(tmp_path)
        assert run.failed is True
        assert run.metrics == {"a": [(0, 1.0)]}

    def test_ctrl_c_is_recorded_as_a_failure(self, tmp_path: Path) -> None:
        """The run is closed."""
        with pytest.raises(KeyboardInterrupt), self.make_logger(tmp_path):
            raise KeyboardInterrupt
        assert self.read_run(tmp_path).failed is True

    def test_nothing_is_logged_after_finish(self, tmp_path: Path) -> None:
        """Logging raises `LoggerClosedError`; a second finish is harmless; a run may be empty."""
        logger = self.make_logger(tmp_path)
        logger.finish()
        logger.finish()
        with pytest.raises(LoggerClosedError):
            logger.log_metrics({"a": 1.0}, step=0)
        with pytest.raises(LoggerClosedError):
            logger.log_hyperparams({"a": 1})
        run = self.read_run(tmp_path)
        assert (run.metrics, run.failed) == ({}, False)

    def test_runs_are_kept_apart(self, tmp_path: Path) -> None:
        """Runs one after another, and simultaneous runs unless the SDK does not support them."""
        directories = [tmp_path / "first", tmp_path / "second"]
        for directory in directories:
            directory.mkdir()
        first = self.make_logger(directories[0])
        if self.one_run_at_a_time:
            first.log_metrics({"a": 1.0}, step=0)
            first.finish()
        second = self.make_logger(directories[1])
        if not self.one_run_at_a_time:
            first.log_metrics({"a": 1.0}, step=0)
        second.log_metrics({"a": 2.0}, step=0)
        second.finish()
        if not self.one_run_at_a_time:
            first.log_metrics({"a": 3.0}, step=1)
            first.finish()
        runs = [self.read_run(directory).metrics["a"] for directory in directories]
        assert runs == [[(0, 1.0), (1, 3.0)][: 2 - self.one_run_at_a_time], [(0, 2.0)]]

    def test_the_process_is_left_as_it_was(self, tmp_path: Path) -> None:
        """`finish()` restores hooks, signal handlers and streams that an SDK replaces."""
        before = list(_process_state())
        self.make_logger(tmp_path).finish()
        assert list(_process_state()) == before

    def test_an_unknown_option_is_refused_before_a_run_is_opened(self, tmp_path: Path) -> None:
        """A TypeError names the option; SDKs must not ignore it silently."""
        with pytest.raises(TypeError, match="no_such_option"):
            self.make_logger(tmp_path, no_such_option=1)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@dataclass
class _Tensor:
    """A number of another library."""

    value: float

    def item(self) -> float:
        return self.value


def _process_state() -> Iterator[Any]:
    yield from (sys.excepthook, sys.exit, sys.stdout, sys.stderr, sys.displayhook)
    yield from (random.getstate(), dict(os.environ), os.getcwd())
    yield multiprocessing.get_start_method(allow_none=True)
    yield from (signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}/"))
        else:
            flat[f"{prefix}{name}"] = value
    return flat
