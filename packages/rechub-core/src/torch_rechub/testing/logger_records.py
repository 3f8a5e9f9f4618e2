"""The part of the contract of loggers on labels, tables, artifacts and the status of runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from torch_rechub.basic.tracking import BaseLogger
from torch_rechub.runs import Run, details

from .contract import Contract

_SECRET = "contract-secret-7d03b5"
_COLUMNS = ["item", "score", "title | note"]
_ROWS: list[list[Any]] = [
    ["a1", 0.5, "The <b>Best</b> of\nall"],
    ["2", 7, None],
    [None, -1e-9, "精排"],
    ["", True, '"quoted" | \\ & `x` *y*'],
]


@dataclass
class RecordedRun:
    """The records of one run, as stored by a tracker.

    Attributes:
        metrics: Name to pairs (step, value), in the order of recording.
        hyperparams: Name to value; nested dicts may be kept or flattened to ``outer/inner``.
        failed: Whether the run is recorded as failed; None if it is not recorded.
        status: ``finished``, ``failed`` or ``interrupted``; None if it is not recorded.
        group: The group of the run.
        parent: The id of its parent.
        tags: Its tags.
        tables: Name, step, columns and rows of each table.
        files: The name of each artifact to its path.
    """

    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    hyperparams: dict[str, Any] = field(default_factory=dict)
    failed: bool | None = None
    status: str | None = None
    group: str | None = None
    parent: str | None = None
    tags: Sequence[str] = ()
    tables: Sequence[tuple[str, int, Sequence[str], Sequence[Sequence[Any]]]] = ()
    files: dict[str, str] = field(default_factory=dict)


class RecordsContract(Contract):
    """The tests of what a tracker keeps beyond metrics and hyper-parameters; see `LoggerContract`.

    A tracker states what it keeps; the tests of the rest are skipped.
    """

    keeps_labels: bool = False
    """Whether the constructor takes `group`, `parent` and `tags`, and the run has them."""

    keeps_tables: bool = False
    """Whether tables are stored."""

    keeps_files: bool = False
    """Whether artifacts are stored."""

    def make_logger(self, directory: Path, **kwargs: Any) -> BaseLogger:
        """Return an open logger; see `LoggerContract`."""
        raise NotImplementedError("return a logger of your tracker")

    def read_run(self, directory: Path) -> RecordedRun | Run:
        """Return the stored run; see `LoggerContract`."""
        raise NotImplementedError("return the stored run")

    def test_labels_are_recorded(self, tmp_path: Path) -> None:
        """The group, the parent and the tags; none of them is a hyper-parameter of its own."""
        if not self.keeps_labels:
            pytest.skip("keeps_labels is not set")
        labels = {"group": "night 1", "parent": "run-7", "tags": ["a", "b c"]}
        with self.make_logger(tmp_path, **labels) as logger:
            logger.log_metrics({"a": 1.0}, step=0)
        run = self.read_run(tmp_path)
        assert (run.group, run.parent, list(run.tags)) == ("night 1", "run-7", ["a", "b c"])

    def test_a_run_without_labels_has_none(self, tmp_path: Path) -> None:
        """A tracker does not invent a group."""
        if not self.keeps_labels:
            pytest.skip("keeps_labels is not set")
        self.make_logger(tmp_path).finish()
        run = self.read_run(tmp_path)
        assert (run.group, run.parent, list(run.tags)) == (None, None, [])

    def test_labels_of_another_type_are_refused(self, tmp_path: Path) -> None:
        """A TypeError names the label, before a run is opened."""
        if not self.keeps_labels:
            pytest.skip("keeps_labels is not set")
        for name, value in (("group", 7), ("parent", ["a"]), ("tags", "a"), ("tags", [7])):
            with pytest.raises(TypeError, match=name):
                self.make_logger(tmp_path, **{name: value})
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_tables_are_recorded(self, tmp_path: Path) -> None:
        """Cells keep their type; texts with markup or line breaks are unchanged."""
        if not self.keeps_tables:
            pytest.skip("keeps_tables is not set")
        with self.make_logger(tmp_path) as logger:
            logger.log_table("val/top", _COLUMNS, _ROWS, step=3)
            logger.log_table("empty", ["a"], [], step=3)
        found = {name: (columns, rows) for name, _, columns, rows in self._tables(tmp_path)}
        assert found == {"val/top": (_COLUMNS, _ROWS), "empty": (["a"], [])}
        assert [[type(c) for c in row] for row in found["val/top"][1]] == [
            [type(cell) for cell in row] for row in _ROWS
        ]

    def test_secrets_in_tables_do_not_reach_the_disk(self, tmp_path: Path) -> None:
        """No file of the run contains a password that a cell holds."""
        if not self.keeps_tables:
            pytest.skip("keeps_tables is not set")
        with self.make_logger(tmp_path) as logger:
            logger.log_table("a", ["b"], [[f"password={_SECRET}"]], step=0)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert [path for path in files if _SECRET.encode() in path.read_bytes()] == []

    def test_a_ragged_table_is_refused(self, tmp_path: Path) -> None:
        """A ValueError names the row."""
        if not self.keeps_tables:
            pytest.skip("keeps_tables is not set")
        with (
            self.make_logger(tmp_path) as logger,
            pytest.raises(ValueError, match="row 1 of the table has 1 cells for 2 columns"),
        ):
            logger.log_table("a", ["b", "c"], [[1, 2], [3]], step=0)

    def test_artifacts_are_copied(self, tmp_path: Path) -> None:
        """Files stay as they were recorded, and the newest of each name is found by its name."""
        if not self.keeps_files:
            pytest.skip("keeps_files is not set")
        source, runs = tmp_path / "source", tmp_path / "runs"
        for folder in (source, runs):
            folder.mkdir()
        file = source / "best.npz"
        with self.make_logger(runs) as logger:
            for content in (b"first", b"second"):
                file.write_bytes(content)
                logger.log_artifact("test_values", str(file), "test_values")
            logger.log_artifact("lists/top-10", str(file), "file")
            file.write_bytes(b"other")
            logger.log_artifact("lists-top-10", str(file), "file")
        file.unlink()
        run = self.read_run(runs)
        files = details(run).files if isinstance(run, Run) else run.files
        assert Path(files["test_values"]).read_bytes() == b"second"
        assert Path(files["lists/top-10"]).read_bytes() == b"second"
        assert Path(files["lists-top-10"]).read_bytes() == b"other"

    def test_the_status_tells_an_error_from_ctrl_c(self, tmp_path: Path) -> None:
        """A run is recorded as finished, as failed or as interrupted."""
        errors: dict[str, BaseException | None] = {
            "finished": None,
            "failed": ValueError("the loss is nan"),
            "interrupted": KeyboardInterrupt(),
        }
        for status, error in errors.items():
            (tmp_path / status).mkdir()
            logger = self.make_logger(tmp_path / status)
            if error is not None:
                logger.log_failure(error)
            logger.finish()
            recorded = self.read_run(tmp_path / status).status
            assert recorded in (None, status)

    def _tables(self, directory: Path) -> Sequence[Any]:
        run = self.read_run(directory)
        if not isinstance(run, Run):
            return run.tables
        tables = details(run).tables
        return [(t.name, t.step, list(t.columns), [list(r) for r in t.rows]) for t in tables]
