import pytest

from torch_rechub.alerts import outbox


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    """Servers that are busy are asked again at once."""
    monkeypatch.setattr(outbox, "_PAUSES", (0.01, 0.02))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
