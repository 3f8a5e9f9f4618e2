"""Is A better than B? Paired tests, intervals and effect sizes; the values of a test on disk.

Tests compare the values of A and B for the same users, sessions or rows. A trainer records them
with a run, as `TestValues`, where it is configured with `Recording(test_values=True)`; the command
``rechub compare --test`` reads them.

Example:
    >>> a, b = [0.5, 0.4, 0.6, 0.5, 0.7, 0.6], [0.4, 0.3, 0.6, 0.4, 0.5, 0.5]
    >>> differences = [x - y for x, y in zip(a, b)]
    >>> sign_flip_test(differences).p, round(effect_size(a, b).difference, 4)
    (0.0625, 0.1)
"""

from .auc import DeLong, SortedScores, bootstrap_auc, delong_test
from .bootstrap import Interval, bootstrap_interval
from .effects import Effect, effect_size, holm
from .levels import PairedTest, paired_test
from .pairs import DifferentTestError, PairsTest, compare_values
from .row_values import row_values
from .sign_flip import SignFlip, sign_flip_test
from .values import TestedMetric, TestValues, save_test_values

__all__ = [
    "DeLong",
    "DifferentTestError",
    "Effect",
    "Interval",
    "PairedTest",
    "PairsTest",
    "SignFlip",
    "SortedScores",
    "TestValues",
    "TestedMetric",
    "bootstrap_auc",
    "bootstrap_interval",
    "compare_values",
    "delong_test",
    "effect_size",
    "holm",
    "paired_test",
    "row_values",
    "save_test_values",
    "sign_flip_test",
]
