"""Which trackers this environment must have, and a process without the user's own settings."""

import importlib
import os

import pytest

pytest.register_assert_rewrite("torch_rechub.testing")

ALL_TRACKERS = ("wandb", "swanlab", "tensorboardx")
# A job that installs a subset says so; by default all three must be here.
EXPECTED = tuple(
    name.strip()
    for name in os.environ.get("RECHUB_EXPECTED_TRACKERS", ",".join(ALL_TRACKERS)).split(",")
    if name.strip()
)
assert set(EXPECTED) <= set(ALL_TRACKERS), f"RECHUB_EXPECTED_TRACKERS={','.join(EXPECTED)}"

# A test that needs a package that is not expected has nothing to say here: it is not collected
# rather than skipped. A package that is expected and missing fails its tests.
collect_ignore = [f"test_{name}_logger.py" for name in ALL_TRACKERS if name not in EXPECTED]
if set(EXPECTED) != set(ALL_TRACKERS):
    collect_ignore.append("test_several_trackers.py")


@pytest.fixture(scope="session", autouse=True)
def _offline_and_without_the_users_settings(tmp_path_factory):
    """No key, webhook or settings file of the user is seen, and nothing reaches a network."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("WANDB_", "SWANLAB_", "COMET_")):
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
        yield
        if "wandb" in EXPECTED:
            importlib.import_module("wandb").teardown()


@pytest.fixture
def warnings_of_trackers(caplog):
    """The messages that the library logged as warnings."""
    caplog.set_level("WARNING", logger="torch_rechub.tracking")
    return lambda: [record.getMessage() for record in caplog.records]
