"""Tests of the rows of a comparison against a baseline, by the recorded values of their test."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .comparing import as_runs, compare
from .comparison import Comparison, Row
from .copies import of_one_tracker
from .details import details
from .folders import AnyPath
from .identity import settings_of
from .record import Mode, Run
from .seeds import is_seed
from .tables import shortened
from .tested import PLAIN, Significance, Tested, Verdict
from .values import signature

if TYPE_CHECKING:
    from ..significance import PairsTest, TestValues

log = logging.getLogger("torch_rechub.runs")

_ARTIFACT = "test_values"
_REMEDY = (
    "give the trainer record=Recording(test_values=True) and fit(..., test_dataloader=), or log a "
    "file of torch_rechub.significance.save_test_values as the artifact 'test_values'"
)

Values = dict[Any, "TestValues"]


def significance(
    runs: AnyPath | Iterable[AnyPath] | Sequence[Run],
    metric: str | None = None,
    mode: Mode | None = None,
    ignore: Iterable[str] = (),
    *,
    baseline: str | None = None,
    top: int | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Significance:
    """Rank runs as `compare` does, and test each row against the best or a baseline.

    Rows are ranked by `metric`; the test is of the same metric on test data, of ``test/auc`` for
    ``val/auc``, whose values the runs have recorded. Runs of two rows are paired by their seed. Of
    a training run that several loggers recorded, one record counts.

    Args:
        runs: Runs, or the paths to read them from.
        metric: See `compare`.
        mode: See `compare`.
        ignore: See `compare`.
        baseline: The name of the row, of one of its runs, or its run id; by default the best row
            with recorded values.
        top: The number of rows to test, from the best on; None means all. A baseline is always
            among them.
        confidence: That of the intervals, between 0 and 1.
        resamples: Number of resamples, at least 100.
        seed: Seed of the resamples.

    Raises:
        ValueError: Fewer than two rows have recorded values of the metric; two rows differ in data,
            split, protocol, metric or units, and the message says in which; they have no seed in
            common; or no row or several have the name of the baseline.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.tracking import JSONLLogger
        >>> from torch_rechub.significance import save_test_values
        >>> folder = tempfile.mkdtemp()
        >>> for name, hits in {"a": [1, 1, 1, 1, 1, 1, 0], "b": [0, 0, 0, 0, 0, 0, 0]}.items():
        ...     with JSONLLogger(name=name, config={"model": name}, dir=folder) as logger:
        ...         logger.log_metrics({"test/hit@1": sum(hits) / 7}, step=0)
        ...         file = save_test_values(folder + "/values.npz", {"test/hit@1": hits})
        ...         logger.log_artifact("test_values", str(file), "test_values")
        >>> found = significance(folder, "test/hit@1")
        >>> [test.verdict for test in found.tests], found.tests[1].p
        (['baseline', 'worse'], 0.03125)
    """
    given = as_runs(runs)
    left = of_one_tracker(given)
    found = compare(left, metric, mode, ignore)
    found = replace(found, repeated=found.repeated + len(given) - len(left))
    name = "test/" + found.metric.rsplit("/", 1)[-1]
    rows = list(found.rows[:top])
    wanted = None if baseline is None else _named(found, baseline)
    rows += [] if wanted is None or wanted in rows else [wanted]
    if len(rows) < 2:
        raise ValueError("a test needs two rows, got one: give more runs, or a larger top")
    recorded = {row.rank: _values_of(row, name) for row in rows}
    against = _baseline(rows, recorded, wanted, name)
    options = {"confidence": confidence, "resamples": resamples, "seed": seed}
    tests = {
        row.rank: _test((row, recorded[row.rank]), (against, recorded[against.rank]), name, options)
        for row in rows
        if row is not against and recorded[row.rank]
    }
    if not tests:
        raise ValueError(f"only one row has recorded values of {shortened(name, 80)}: {_REMEDY}")
    known = next(iter(recorded[against.rank].values())).metric(name).direction
    adjusted = _adjusted(tests, mode or known, confidence)
    adjusted[against.rank] = Tested("baseline")
    verdicts = tuple(adjusted.get(row.rank, Tested("not recorded")) for row in rows)
    shown = replace(found, rows=tuple(rows))
    return Significance(shown, name, against.rank, confidence, verdicts)


def _named(found: Comparison, name: str) -> Row:
    """The row of a name.

    Raises:
        ValueError: No row or several have the name; the message lists them.
    """
    exact = [row for row in found.rows if row.name == name]
    rows = exact or [r for r in found.rows if any(name in (n.name, n.run_id) for n in r.runs)]
    if len(rows) == 1:
        return rows[0]
    names = ", ".join(shortened(row.name, 40) for row in found.rows[:20])
    problem = "none is" if not rows else f"{len(rows)} are"
    raise ValueError(
        f"baseline must name one row; {problem} called {shortened(name, 80)!r}; the rows are: "
        f"{names}" + (". Give the name or the run id of one of its runs" if rows else "")
    )


def _values_of(row: Row, metric: str) -> Values:
    """The test values of the runs of a row by seed; empty if a run has none.

    Raises:
        ValueError: Two runs have the same seed, or a file is no file of test values.
    """
    from ..significance import TestValues

    found: Values = {}
    for run in row.runs:
        path = details(run).files.get(_ARTIFACT)
        if path is None:
            return {}
        values = TestValues.read(path)
        try:
            values.metric(metric)
        except ValueError as error:
            raise ValueError(f"{shortened(row.name, 80)!r}: {error}") from error
        key = _seed_of(run)
        if key in found:
            seeds = f"of the seed {', '.join(key)}" if key else "without a seed"
            raise ValueError(
                f"two runs of {shortened(row.name, 80)!r} {seeds} cannot be paired: compare paths "
                "with one of them"
            )
        found[key] = values
    return found


def _seed_of(run: Run) -> tuple[str, ...]:
    """The seeds of a run; that of torch if there is no other."""
    seeds = {name: value for name, value in settings_of(run).items() if is_seed(name)}
    given = [signature(v) for n, v in seeds.items() if not n.endswith("torch_seed")]
    return tuple(given or [signature(v) for v in seeds.values()])


def _baseline(
    rows: Sequence[Row], recorded: dict[int, Values], wanted: Row | None, metric: str
) -> Row:
    """The row that the others are tested against: `wanted`, or the best one with values.

    Raises:
        ValueError: It has none.
    """
    for row in rows if wanted is None else [wanted]:
        if recorded[row.rank]:
            return row
    who = "no row" if wanted is None else f"the baseline {shortened(wanted.name, 80)!r}"
    lacks = "has" if wanted is None else "lacks"
    raise ValueError(f"{who} {lacks} recorded values of {shortened(metric, 80)}: {_REMEDY}")


def _test(
    row: tuple[Row, Values], against: tuple[Row, Values], metric: str, options: dict[str, Any]
) -> "PairsTest":
    """Test a row against the baseline.

    Raises:
        ValueError: They cannot be compared; the message names them and says why.
    """
    from ..significance import compare_values

    (_, a), (_, b) = row, against
    names = " and ".join(repr(shortened(r.name, 80)) for r in (row[0], against[0]))
    seeds = [key for key in a if key in b]
    if len(a) == len(b) == 1:
        pairs = [(*a.values(), *b.values())]
    elif seeds:
        pairs = [(a[key], b[key]) for key in seeds]
        if len(seeds) < max(len(a), len(b)):
            log.warning("%s: %d seeds in common; other runs are left out", names, len(seeds))
    else:
        raise ValueError(f"{names} have no seed in common, by which their runs are paired")
    try:
        return compare_values([x for x, _ in pairs], [y for _, y in pairs], metric, **options)
    except ValueError as error:
        raise ValueError(f"{names} cannot be compared: {error}") from error


def _adjusted(
    tests: "dict[int, PairsTest]", direction: Mode, confidence: float
) -> dict[int, Tested]:
    """The tests with corrected p-values and verdicts, by rank."""
    from ..significance import holm

    corrected = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))

    def of_row(rank: int, test: "PairsTest") -> Tested:
        fields = {name: getattr(test, name) for name in PLAIN if name != "p_holm"}
        significant = corrected[rank] < 1 - confidence
        better = (test.difference > 0) == (direction == "max")
        verdict: Verdict = "better" if better else "worse"
        if not significant:
            verdict = "same" if test.low == test.high == 0 else "unclear"
        return Tested(verdict, p_holm=corrected[rank], **fields)

    return {rank: of_row(rank, test) for rank, test in tests.items()}
