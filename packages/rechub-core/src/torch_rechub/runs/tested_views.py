"""The table of tested rows, and the lines below it."""

from dataclasses import replace

from .._shown import shown
from .tables import Table, shortened
from .tested import Significance, Tested
from .views import comparison_table

_LEAST = 1e-4


def significance_table(found: Significance) -> Table:
    """The table of the comparison, with the test of each row."""
    table = comparison_table(found.comparison, found.comparison.rows)
    header, columns = list(table.header), [list(column) for column in zip(*table.rows, strict=True)]
    numeric = set(table.numeric)
    for name, cells in _columns(found).items():
        if not any(cells):  # AUC has no d_z
            continue
        title = name
        while title in header:
            title = f"test {title}"  # such as a hyper-parameter called `p`
        header.append(title)
        columns.append(cells)
        if name not in ("units", "verdict"):
            numeric.add(title)
    rows = tuple(zip(*columns, strict=True))
    return replace(table, header=tuple(header), rows=rows, numeric=frozenset(numeric))


def summary(found: Significance) -> str:
    """The lines below the table: what was tested against what, and what it does not show."""
    tests = [test for test in found.tests if test.p is not None]
    name = shortened(shown(found.metric), 80)
    baseline = next(row for row in found.comparison.rows if row.rank == found.baseline)
    against = f"#{baseline.rank} {shortened(shown(baseline.name), 80)}"
    rows = f"{len(tests)} row" + ("" if len(tests) == 1 else "s")
    lines = [
        f"{name}: {rows} tested against {against}; {_percent(found)} intervals, p corrected by Holm"
    ]
    if any(test.level == "units" for test in tests):
        lines.append(
            "one seed: the differences are of the trained models; another seed may change them"
        )
    if any(test.level == "seeds" for test in tests):
        lines.append("each seed has test data of its own, so that seeds are the units of the test")
    missing = sum(test.verdict == "not recorded" for test in found.tests)
    if missing:
        lines.append(f"{missing} without recorded values: Recording(test_values=True) records them")
    return "".join(f"{line}\n" for line in lines)


def _columns(found: Significance) -> dict[str, list[str]]:
    tests = found.tests
    return {
        f"Δ {shortened(shown(found.metric), 80)}": [_signed(test.difference) for test in tests],
        f"{_percent(found)} interval": [_interval(test) for test in tests],
        "p": [_p(test.p) for test in tests],
        "p Holm": [_p(test.p_holm) for test in tests],
        "d_z": ["" if test.d_z is None else f"{test.d_z:+.3f}" for test in tests],
        "units": [_units(test) for test in tests],
        "verdict": [test.verdict for test in tests],
    }


def _percent(found: Significance) -> str:
    return f"{100 * found.confidence:g} %"


def _interval(test: Tested) -> str:
    return "" if test.low is None else f"[{_signed(test.low)}, {_signed(test.high)}]"


def _signed(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:+.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:+.2e}"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if value >= _LEAST else f"<{_LEAST:.4f}"


def _units(test: Tested) -> str:
    """The units of a test, such as "943 users × 3 seeds"."""
    if test.n_units is None:
        return ""
    seeds = f" × {test.n_seeds} seeds" if test.n_seeds and test.n_seeds > 1 else ""
    return f"{test.n_units} {test.unit}{seeds}"
