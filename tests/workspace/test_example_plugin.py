"""The example of a tracker package: built, installed next to core, and held to the contract."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from e2e.markdown import blocks
from workspace.distributions import PACKAGES, REPOSITORY, project_at

pytestmark = pytest.mark.slow

PLUGIN = REPOSITORY / "examples" / "plugins" / "rechub-csv"


def run(*command: object, **options: object) -> str:
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=900, **options
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def binaries(tmp_path_factory) -> Path:
    """A clean environment with core and the plug-in; without torch, which trackers do not need."""
    folder = tmp_path_factory.mktemp("plugin")
    wheels, home = folder / "wheels", folder / "venv"
    for package in (PACKAGES / "rechub-core", PLUGIN):
        run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, package)
    venv.create(home, with_pip=True)
    binaries = home / ("Scripts" if os.name == "nt" else "bin")
    stated = project_at(PLUGIN)
    needed = [*stated["dependencies"], *stated["optional-dependencies"]["test"]]
    needed = [requirement for requirement in needed if not requirement.startswith("rechub-core")]
    pip = [binaries / "python", "-m", "pip", "install", "-q", "--no-compile"]
    run(*pip, *needed)
    run(*pip, "--no-deps", *wheels.glob("*.whl"))
    return binaries


def test_it_keeps_the_contract_of_loggers(binaries, tmp_path):
    command = [binaries / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [PLUGIN / "tests"]
    assert " passed" in run(*command, cwd=tmp_path).splitlines()[-1]


def test_its_page_runs_and_the_command_lists_the_run(binaries, tmp_path):
    for _, code in blocks(PLUGIN / "README.md"):
        run(binaries / "python", "-c", code, cwd=tmp_path)
    listed = run(binaries / "rechub", "runs", "runs", "--format", "csv", cwd=tmp_path)
    assert [row.split(",")[:4] for row in listed.splitlines()] == [
        ["name", "backend", "project", "status"],
        ["first", "csv", "", "finished"],
    ]


def test_core_does_not_know_of_it():
    files = [*PACKAGES.rglob("*.py"), *PACKAGES.rglob("*.toml")]
    assert [file for file in files if "rechub_csv" in file.read_text(encoding="utf-8")] == []
