"""A log with columns of every kind, and a preprocessor that was fitted on it."""

import pytest

from core.data.preprocessing import saved
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


@pytest.fixture(scope="module")
def every_kind():
    """A preprocessor of columns of every kind and setting, to be saved."""
    return Preprocessor(saved.COLUMNS, saved.TARGETS, "weight").fit(saved.LOG)


@pytest.fixture
def folder(every_kind, tmp_path):
    """The folder that it was saved to."""
    every_kind.save(tmp_path / "saved")
    return tmp_path / "saved"
