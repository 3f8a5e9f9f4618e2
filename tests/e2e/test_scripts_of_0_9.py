"""Scripts in the style of 0.9's users run as they are, and use every public name of 0.9."""

import ast
import json
import runpy
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest

from core.test_api_names import NAMES
from e2e.samples_of_0_9 import write_samples

FOLDER = Path(__file__).with_name("scripts_of_0_9")
SCRIPTS = sorted(FOLDER.glob("run_*.py"))
SLOW = {"run_export"}  # torch's exporter takes seconds for each model
OLD = Path(__file__).parents[1] / "workspace" / "torch_rechub_0_9.json"


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder)
    return folder


@pytest.mark.parametrize(
    "script",
    [pytest.param(s, marks=[pytest.mark.slow] * (s.stem in SLOW)) for s in SCRIPTS],
    ids=lambda script: script.stem,
)
def test_a_script_runs_and_finds_what_is_in_its_data(script, samples, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(script), "--dataset_path", str(samples)])
    monkeypatch.syspath_prepend(str(FOLDER))
    runpy.run_path(str(script), run_name="__main__")  # asserts what it measures


# Names


def names_of_0_9() -> set[tuple[str, str]]:
    """Modules and names; a name with a dot is a method."""
    listed = json.loads(OLD.read_text(encoding="utf-8"))["modules"]
    own = {
        (module, name)
        for module, names in listed.items()
        for name in names.split()
        if not name.endswith("_AVAILABLE")
    }
    return own | {(m, n) for m in NAMES for n in NAMES[m] if not n.endswith(".forward")}


def used_by(script: Path) -> tuple[set[tuple[str, str]], set[str]]:
    """The names that a script imports from torch_rechub, and the attributes that it uses."""
    nodes = list(ast.walk(ast.parse(script.read_text(encoding="utf-8"))))
    imported = {
        ((node.module or "").removeprefix("torch_rechub."), alias.name)
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch_rechub")
        for alias in node.names
    }
    return imported, {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def resolved(module: str, name: str) -> int:
    """The identity of what a name stands for: scripts may import it from another module."""
    return id(getattr(import_module(f"torch_rechub.{module}"), name))


def unused(names: Iterable[tuple[str, str]]) -> list[str]:
    """Those of the names that no script imports or, of methods, calls."""
    uses = [used_by(script) for script in FOLDER.glob("*.py")]
    scripts = [({resolved(*name) for name in imported}, used) for imported, used in uses]
    missing = []
    for module, name in sorted(names):
        owner, _, method = name.partition(".")
        wanted = resolved(module, owner)
        if not any(wanted in found and method in {"", *used} for found, used in scripts):
            missing.append(f"{module}:{name}")
    return missing


def test_the_scripts_use_every_public_name():
    assert len(names_of_0_9()) > 250
    assert unused(names_of_0_9()) == []


def test_a_name_that_no_script_uses_is_found():
    new = {("models.ranking", "FM"), ("trainers", "CTRTrainer.losses"), ("trainers", "MTLTrainer")}
    assert unused(new) == ["models.ranking:FM", "trainers:CTRTrainer.losses"]
