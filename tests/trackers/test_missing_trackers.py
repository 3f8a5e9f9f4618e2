"""Each tracker that should be here is, each other one is not, and says so when it is created."""

import importlib
import importlib.util
import subprocess
import sys
from importlib import metadata

import pytest
from expected_trackers import ALL_TRACKERS, EXPECTED, LOGGERS, SDKS

from torch_rechub.basic import tracking
from torch_rechub.basic.tracking import discovery
from torch_rechub.basic.tracking.discovery import KNOWN_LOGGERS
from torch_rechub.runs import available_readers


@pytest.fixture
def fresh_names(monkeypatch):
    """Forgets the names that `torch_rechub.basic.tracking` has looked up before."""
    for name in LOGGERS.values():
        monkeypatch.delitem(vars(tracking), name, raising=False)
    yield
    for name in LOGGERS.values():
        vars(tracking).pop(name, None)


def import_by_name(name):
    namespace = {}
    exec(f"from torch_rechub.basic.tracking import {name}", namespace)
    return namespace[name]


def test_just_the_expected_trackers_are_installed():
    found = {name for name in ALL_TRACKERS if importlib.util.find_spec(f"rechub_{name}")}
    sdks = {name for name in ALL_TRACKERS if importlib.util.find_spec(SDKS[name])}
    assert found == sdks == set(EXPECTED)
    loggers = {"JSONLLogger", *(LOGGERS[name] for name in EXPECTED)}
    assert loggers == set(tracking.available_loggers())
    assert {"jsonl", *EXPECTED} == set(available_readers())
    assert loggers | KNOWN_LOGGERS.keys() <= set(dir(tracking))


@pytest.mark.parametrize("tracker", ALL_TRACKERS)
def test_a_tracker_that_is_not_installed_says_so_when_created(tracker, monkeypatch, fresh_names):
    if tracker in EXPECTED:
        # It is here, so its entry point is hidden; without one, this is how it looks to core.
        real = metadata.entry_points
        hidden = LOGGERS[tracker]
        monkeypatch.setattr(
            discovery.metadata,
            "entry_points",
            lambda **given: [p for p in real(**given) if p.name != hidden],
        )
    if LOGGERS[tracker] not in KNOWN_LOGGERS:
        with pytest.raises(ImportError, match=f"cannot import name '{LOGGERS[tracker]}'"):
            import_by_name(LOGGERS[tracker])
        return
    logger_class = import_by_name(LOGGERS[tracker])
    assert logger_class.__name__ == LOGGERS[tracker]
    with pytest.raises(ImportError, match=f"pip install rechub-{tracker}$"):
        logger_class("anything")


def test_naming_a_logger_does_not_import_its_sdk():
    code = (
        "import sys; from torch_rechub.basic.tracking import WandbLogger, SwanLabLogger, "
        "TensorBoardXLogger; print(*{'wandb', 'swanlab', 'tensorboardX', 'torch'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == []
