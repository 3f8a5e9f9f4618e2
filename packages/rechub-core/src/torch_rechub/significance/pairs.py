"""The test of two methods by the values of their runs, paired by seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .auc import delong_test
from .columns import Floats, shares
from .data_facts import difference_of_data
from .effects import effect_size
from .levels import MOST_DRAWS, PairedTest, paired_test
from .row_values import is_mean
from .sign_flip import sign_flip_test
from .tables import RowTable, Units
from .values import TestValues

_UNITS = {"rows": "rows", "groups": "groups", "units": "users"}


class DifferentTestError(ValueError):
    """Two runs were tested differently, so that they cannot be compared; the message says how."""


@dataclass(frozen=True)
class PairsTest:
    """The result of `compare_values`: A − B, in the unit of the metric.

    Attributes:
        difference: The mean difference.
        low: The lower end of its interval.
        high: Its upper end.
        p: The p-value, two-sided.
        method: The test: "sign-flip", "t", "generalized" or "delong".
        level: "units", "seeds" or "both"; see `paired_test`.
        n_units: The number of users, groups or rows.
        unit: "users", "groups" or "rows".
        n_seeds: The number of pairs of runs.
        relative: The difference divided by the value of B, or None.
        d_z: The standardized difference of units, or None: see `effect_size`.
        superiority: The share of units in which A is larger, or None.
        p_units: The p-value over units, of the models that were trained; None at level "seeds".
        p_seeds: The p-value over seeds; None for one seed.
    """

    difference: float
    low: float
    high: float
    p: float
    method: str
    level: str
    n_units: int
    unit: str
    n_seeds: int
    relative: float | None
    d_z: float | None
    superiority: float | None
    p_units: float | None
    p_seeds: float | None


def compare_values(
    a: Sequence[TestValues],
    b: Sequence[TestValues],
    metric: str,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairsTest:
    """Test whether A has another mean of a metric than B.

    Pairs of one seed are tested over units, by sign flips, AUC of rows by DeLong's test. Several
    are tested over units and seeds at once; over seeds alone where each seed has test data of its
    own, such as a split by seed.

    Args:
        a: The values of the runs of A.
        b: Those of B, of the same seeds in the same order.
        metric: The recorded name, such as "test/ndcg@10".
        confidence: That of the interval.
        resamples: Number of resamples, at least 100.
        seed: Seed of the resamples.

    Raises:
        DifferentTestError: Data, split, protocol, metric or units of a pair differ.
        ValueError: No values of the metric are recorded, or it is not defined.

    Example:
        >>> a = TestValues.of_units({"test/hit@1": [1, 1, 1, 0, 1, 1]}, units=range(6))
        >>> b = TestValues.of_units({"test/hit@1": [0, 0, 1, 0, 0, 0]}, units=range(6))
        >>> found = compare_values([a], [b], "test/hit@1")
        >>> round(found.difference, 3), found.p, found.n_units
        (0.667, 0.125, 6)
    """
    for one, other in zip(a, b, strict=True):
        check_same_test(one, other, metric)
    pairs = [(x.units(metric), y.units(metric)) for x, y in zip(a, b, strict=True)]
    options = {"confidence": confidence, "resamples": resamples, "seed": seed}
    if len({values.digest(metric) for values in a}) > 1:
        return _over_seeds(pairs, confidence)
    first = pairs[0][0]
    left, right = (np.stack([pair[side].values for pair in pairs]) for side in (0, 1))
    given, d, several = first.weights, left - right, len(pairs) > 1
    found = _delong(a, b, metric, confidence) or paired_test(
        d,
        given,
        level="both" if several else "units",
        **options,  # type: ignore[arg-type]
    )
    effect = effect_size(left.mean(axis=0), right.mean(axis=0), given)
    formula = a[0].metric(metric).formula
    of_units = formula is None or is_mean(formula)
    p_units = found.p if not several else _p_of_units(d.mean(axis=0), given, resamples, seed)
    return PairsTest(
        found.difference, found.low, found.high, found.p, found.method,
        "both" if several else "units", d.shape[1], _UNITS[first.kind], len(pairs),
        effect.relative, effect.d_z if of_units else None,
        effect.superiority if of_units else None,
        p_units,
        paired_test(d, given, level="seeds").p if several else None,
    )  # fmt: skip


def _p_of_units(d: Floats, w: Floats | None, resamples: int, seed: int) -> float:
    """The p-value over units alone, without an interval."""
    if len(d) * resamples > MOST_DRAWS:
        return paired_test(d, w, resamples=resamples, seed=seed).p
    return sign_flip_test(d, w, resamples=resamples, seed=seed).p


def check_same_test(a: TestValues, b: TestValues, metric: str) -> None:
    """Refuse to compare runs that were tested differently.

    Raises:
        DifferentTestError: Data, split, protocol, metric or units differ; the message says which.
        ValueError: No values of the metric are recorded.
    """
    first, second = a.metric(metric), b.metric(metric)
    if first.direction != second.direction or first.formula != second.formula:
        raise DifferentTestError(
            f"the metric differs: {metric!r} is {_described(first)} and {_described(second)}"
        )
    for name in [*first.protocol, *second.protocol]:
        one, other = first.protocol.get(name), second.protocol.get(name)
        if one != other:
            raise DifferentTestError(f"the protocol differs: {name} is {one!r} and {other!r}")
    if (difference := difference_of_data(a.data, b.data)) is not None:
        raise DifferentTestError(difference)
    if a.digest(metric) != b.digest(metric):
        raise DifferentTestError(
            "the units differ: other rows or users, labels, groups, weights or relevant items, or "
            "rows in another order, such as of a test loader that shuffles"
        )


def _described(metric: object) -> str:
    kind = getattr(metric, "formula", None) or "of units"
    return f"{kind} ({getattr(metric, 'direction', None)})"


def _delong(
    a: Sequence[TestValues], b: Sequence[TestValues], metric: str, confidence: float
) -> PairedTest | None:
    """DeLong's test of a pair of runs with the AUC of independent rows; None for others."""
    found = a[0].metric(metric)
    tables = [values.tables[values.metric(metric).table] for values in (a[0], b[0])]
    left, right = tables
    if len(a) > 1 or found.formula != "auc" or not isinstance(left, RowTable):
        return None
    if not isinstance(right, RowTable) or left.groups is not None or left.weights is not None:
        return None
    test = delong_test(left.labels, left.scores, right.scores, confidence=confidence)
    return PairedTest(test.difference, test.low, test.high, test.p, "delong")


def _over_seeds(pairs: Sequence[tuple[Units, Units]], confidence: float) -> PairsTest:
    """The test over seeds that have test data of their own."""
    a, b = (np.array([_mean(pair[side]) for pair in pairs]) for side in (0, 1))
    found = paired_test((a - b)[:, None], level="seeds", confidence=confidence)
    effect, units = effect_size(a, b), [len(first.values) for first, _ in pairs]
    return PairsTest(
        found.difference, found.low, found.high, found.p, found.method, "seeds",
        min(units), _UNITS[pairs[0][0].kind], len(pairs),
        effect.relative, effect.d_z, effect.superiority, None, found.p,
    )  # fmt: skip


def _mean(units: Units) -> float:
    w: Floats = shares(units.weights, len(units.values))
    return float(units.values @ w)
