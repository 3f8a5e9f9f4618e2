"""A tracker whose SDK is missing or broken says so when it is created, and opens nothing."""

import sys

import pytest
from expected_trackers import EXPECTED, LOGGERS, SDKS

from torch_rechub.basic import tracking


@pytest.mark.parametrize("tracker", EXPECTED)
@pytest.mark.parametrize("fault", ["missing", "broken"])
def test_a_tracker_without_its_sdk_says_so_when_created(tracker, fault, tmp_path, monkeypatch):
    logger_class = getattr(tracking, LOGGERS[tracker])
    sdk = SDKS[tracker]
    for name in [n for n in sys.modules if n.split(".")[0] == sdk]:
        monkeypatch.delitem(sys.modules, name)
    if fault == "missing":
        monkeypatch.setitem(sys.modules, sdk, None)
    else:
        (tmp_path / f"{sdk}.py").write_text("raise RuntimeError('built for another protobuf')")
        monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=f"pip install rechub-{tracker}$") as raised:
        logger_class(str(tmp_path / "run"))
    assert isinstance(raised.value.__cause__, ImportError if fault == "missing" else RuntimeError)
    assert not (tmp_path / "run").exists()
