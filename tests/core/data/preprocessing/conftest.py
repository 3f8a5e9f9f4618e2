"""A log with columns of every kind, and a preprocessor that was fitted on it."""

import pytest

from core.data.preprocessing.logs import COLUMNS, log_of
from torch_rechub.data.preprocessing import Preprocessor


@pytest.fixture(scope="module")
def log():
    """A log of 300 rows."""
    return log_of(300)


@pytest.fixture(scope="module")
def fitted(log):
    """The preprocessor of all columns of the log."""
    return Preprocessor(COLUMNS, targets=["click"], weight="weight").fit(log)
