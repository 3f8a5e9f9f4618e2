"""Examples and pages run in an empty folder, offline, without anybody's keys or settings."""

import pytest


@pytest.fixture(autouse=True)
def empty_folder_offline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "SWANLAB_API_KEY", "SWANLAB_WEBHOOK"):
        monkeypatch.delenv(name, raising=False)
    offline = {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "SWANLAB_MODE": "offline",
    }
    for name, value in offline.items():
        monkeypatch.setenv(name, value)
