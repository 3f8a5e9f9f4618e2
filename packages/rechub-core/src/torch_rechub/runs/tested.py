"""`Significance`: the result of testing the rows of a comparison against a baseline."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..basic.tracking.plugin import in_utf8
from .comparison import Comparison

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["baseline", "better", "worse", "unclear", "same", "not recorded"]

PLAIN = (
    "difference", "low", "high", "p", "p_holm", "relative", "d_z", "superiority", "n_units", "unit",
    "n_seeds", "level", "method", "p_units", "p_seeds",
)  # fmt: skip


@dataclass(frozen=True)
class Tested:
    """The test of a row against the baseline; all but the verdict are None where there is none.

    Attributes:
        verdict: "better" or "worse" in the direction of the metric, if `p_holm` is below 1 −
            confidence; "unclear" if it is not; "same" if all values are equal; "baseline"; "not
            recorded" for a row whose runs have no test values.
        difference: The mean of the row minus that of the baseline.
        low: The lower end of its interval.
        high: Its upper end.
        p: The two-sided p-value.
        p_holm: The p-value, corrected for the number of rows that are tested.
        relative: The difference divided by the value of the baseline.
        d_z: The difference divided by the standard deviation of the differences of units.
        superiority: The share of units in which the row is larger, ties counting ½.
        n_units: The number of users, groups or rows.
        unit: "users", "groups" or "rows".
        n_seeds: The number of pairs of runs with the same seed.
        level: "units", "seeds" or "both"; see `torch_rechub.significance.paired_test`.
        method: "sign-flip", "t", "generalized" or "delong".
        p_units: The p-value over units alone.
        p_seeds: The p-value over seeds alone.
    """

    verdict: Verdict
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    relative: float | None = None
    d_z: float | None = None
    superiority: float | None = None
    n_units: int | None = None
    unit: str | None = None
    n_seeds: int | None = None
    level: str | None = None
    method: str | None = None
    p_units: float | None = None
    p_seeds: float | None = None


@dataclass(frozen=True)
class Significance:
    """The result of `significance`.

    Attributes:
        comparison: The ranking of the rows that are tested.
        metric: The metric of the test, such as "test/auc".
        baseline: The rank of the row that the others are tested against.
        confidence: That of the intervals; differences are claimed at 1 − confidence.
        tests: One for each row of the comparison.
    """

    comparison: Comparison
    metric: str
    baseline: int
    confidence: float
    tests: tuple[Tested, ...]

    def to_records(self) -> list[dict[str, Any]]:
        """Return one flat dict per row: that of the comparison, and its test as ``test/…``."""
        pairs = zip(self.comparison.to_records(), self.tests, strict=True)
        return [{**record, **_columns(test)} for record, test in pairs]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison and its tests as plain data."""
        about = {"metric": self.metric, "baseline": self.baseline, "confidence": self.confidence}
        return {**self.comparison.to_dict(), "test": about, "rows": self.to_records()}

    def to_frame(self) -> "pd.DataFrame":
        """Return the rows as a pandas DataFrame."""
        import pandas as pd

        frame: pd.DataFrame = pd.DataFrame(in_utf8(self.to_records()))
        return frame


def _columns(test: Tested) -> Mapping[str, Any]:
    found = asdict(test)
    return {f"test/{name}": found[name] for name in ("verdict", *PLAIN)}
