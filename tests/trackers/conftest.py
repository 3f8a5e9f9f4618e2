"""Leaves out the tests of trackers that are not here; hides the user's own settings from all."""

import os
import sys
from importlib.util import find_spec

import pytest
from expected_trackers import ALL_TRACKERS, EXPECTED

pytest.register_assert_rewrite("torch_rechub.testing")

# A test that needs a package that is not expected has nothing to say here: it is not collected
# rather than skipped. A package that is expected and missing fails its tests.
collect_ignore = [f"test_{name}_logger.py" for name in ALL_TRACKERS if name not in EXPECTED]
if set(EXPECTED) != set(ALL_TRACKERS):
    collect_ignore.append("test_several_trackers.py")
if not EXPECTED:
    collect_ignore.extend(["test_missing_sdks.py", "test_run_readers.py", "test_damaged_files.py"])
if "mlflow" not in EXPECTED:
    collect_ignore.append("test_mlflow_reader.py")
if "mlflow" not in EXPECTED or find_spec("flask") is None:  # which MLflow's client alone lacks
    collect_ignore.append("test_mlflow_server.py")
if os.name == "nt":  # which has neither the signals nor the limits
    collect_ignore.extend(["test_faults.py", "test_process_state.py"])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of MLflow, whose calls take long, the default run has the contract of loggers alone.

    Its own environment has all tests.
    """
    here = os.path.dirname(__file__)
    mine = [item for item in items if str(item.path).startswith(here)]  # the hook gets all items
    absent = {item for item in mine if "[NOTSET" in item.name}  # of trackers not here
    items[:] = [item for item in items if item not in absent]
    if EXPECTED == ("mlflow",):
        return
    for item in mine:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        own = item.path.name.startswith("test_mlflow") and "TestMLflowLogger" not in item.nodeid
        if own or any(isinstance(value, str) and value == "mlflow" for value in values):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module", autouse=True)
def _offline_and_without_the_users_settings(tmp_path_factory):
    """No key, webhook or settings file of the user is seen, and nothing reaches a network."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("WANDB_", "SWANLAB_", "COMET_", "MLFLOW_")):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("WANDB_CONFIG_DIR", str(home / "wandb"))
        patch.setenv("WANDB_CACHE_DIR", str(home / "wandb-cache"))
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        patch.setenv("WANDB_ERROR_REPORTING", "false")
        patch.setenv("SWANLAB_ROOT", str(home / "swanlab"))
        patch.setenv("SWANLAB_CONFIG_DIR", str(home / "no-such-folder"))
        patch.chdir(home)
        for hook in ("excepthook", "exit"):  # teardown of wandb may leave its own
            patch.setattr(sys, hook, getattr(sys, hook))
        yield
        if "wandb" in sys.modules:
            sys.modules["wandb"].teardown()  # it has read this environment for good


@pytest.fixture
def warnings_of_trackers(caplog):
    """The messages that the library logged as warnings."""
    caplog.set_level("WARNING", logger="torch_rechub.tracking")
    return lambda: [record.getMessage() for record in caplog.records]
