"""Fixtures of tests of alerts, and of those that train."""

import pytest

from core.training.click_table import (  # noqa: F401 - fixtures
    data,
    loaders,
    make_model,
    make_trainer,
    same_weights,
    scores,
)
from torch_rechub.alerts import outbox


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    """Servers that are busy are asked again at once."""
    monkeypatch.setattr(outbox, "_PAUSES", (0.01, 0.02))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
