"""The metadata of each distribution."""

import ast
import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from workspace.distributions import OWNED, PACKAGES, TRACKERS, project

EVERY = pytest.mark.parametrize("name", OWNED)


def test_there_are_six_distributions():
    assert {path.name for path in PACKAGES.iterdir() if path.is_dir()} == set(OWNED)


def test_all_have_the_same_version():
    assert len({project(name)["version"] for name in OWNED}) == 1


@EVERY
def test_metadata_is_complete(name):
    data = project(name)
    assert data["name"] == name
    assert data["requires-python"] == ">=3.10"
    assert data["license"] == "MIT"
    assert len(data["description"]) > 30
    assert data["keywords"]
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} <= set(data["urls"])
    assert any(c.startswith("Programming Language :: Python :: 3.1") for c in data["classifiers"])


@EVERY
def test_license_readme_and_marker_of_types_are_there(name):
    folder = PACKAGES / name
    assert (folder / "LICENSE").read_text().startswith("MIT License")
    assert f"# {name}" in (folder / "README.md").read_text()
    if OWNED[name]:
        assert (folder / "src" / OWNED[name] / "py.typed").is_file()
        assert [p.name for p in (folder / "src").iterdir() if p.is_dir()] == [OWNED[name]]
    else:
        assert not (folder / "src").exists()


@EVERY
def test_every_dependency_has_a_floor(name):
    for requirement in project(name)["dependencies"]:
        assert re.search(r">=|==", requirement), requirement


def test_core_depends_on_no_tracker():
    names = {re.split(r"[<>=]", r)[0] for r in project("rechub-core")["dependencies"]}
    assert names == {"torch", "numpy", "scikit-learn", "pandas", "tqdm"}


# The names that NumPy's release notes 2.0 to 2.2 add to its main namespace
SINCE_NUMPY_2 = re.compile(
    "a(cosh?|sinh?|stype|tan2?|tanh)|bitwise_(count|invert|(left|right)_shift)|concat|u?long|pow|"
    "cumulative_(prod|sum)|isdtype|mat(rix_transpose|vec)|permute_dims|trapezoid|unstack|"
    "unique_(all|counts|inverse|values)|vec(dot|mat)"
)


def test_core_uses_nothing_of_numpy_that_its_floor_lacks():
    (floor,) = [r for r in project("rechub-core")["dependencies"] if r.startswith("numpy")]
    assert floor == "numpy>=1.26"
    used = {
        (path.name, node.attr)
        for path in (PACKAGES / "rechub-core" / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "np"
    }
    assert len(used) > 100
    assert {(file, name) for file, name in used if SINCE_NUMPY_2.fullmatch(name)} == set()


@pytest.mark.parametrize(("name", "logger"), TRACKERS.items())
def test_a_tracker_registers_its_logger_and_stays_clear_of_the_meta_distribution(name, logger):
    data = project(name)
    points = data["entry-points"]["torch_rechub.loggers"]
    assert points == {logger: f"{OWNED[name]}:{logger}"}
    (reader,) = data["entry-points"]["torch_rechub.run_readers"].items()
    assert reader[0] == name.removeprefix("rechub-")
    assert reader[1].startswith(f"{OWNED[name]}.reader:")
    names = [re.split(r"[<>=]", requirement)[0] for requirement in data["dependencies"]]
    assert names[0] == "rechub-core"
    # MLflow's client lacks two libraries for a local database; the whole of MLflow is large
    sdks = ["mlflow-skinny", "sqlalchemy", "alembic"] if name == "rechub-mlflow" else names[1:2]
    assert names[1:] == sdks
    assert "torch-rechub" not in names
    assert all("<" in requirement for requirement in data["dependencies"])  # SDKs break often


def test_the_meta_distribution_pins_core_and_offers_the_trackers():
    data = project("torch-rechub")
    assert data["dependencies"] == [f"rechub-core=={data['version']}"]
    extras = {
        extra: {re.split(r"[<>=]", requirement)[0] for requirement in requirements}
        for extra, requirements in data["optional-dependencies"].items()
    }
    assert {f"rechub-{e}" for e in ("wandb", "swanlab", "tensorboardx")} == extras["tracking"]
    for extra in ("wandb", "swanlab", "tensorboardx", "mlflow"):
        assert extras[extra] == {f"rechub-{extra}"}


def test_the_meta_distribution_passes_every_extra_of_core_on():
    core, meta = project("rechub-core"), project("torch-rechub")
    passed_on = {
        extra: requirements
        for extra, requirements in meta["optional-dependencies"].items()
        if requirements and requirements[0].startswith("rechub-core")
    }
    assert passed_on == {
        extra: [f"rechub-core[{extra}]=={core['version']}"]
        for extra in core["optional-dependencies"]
    }


# 0.9

OLD = json.loads(Path(__file__).with_name("torch_rechub_0_9.json").read_text(encoding="utf-8"))
OF_ITS_DEVELOPERS = {"test", "dev", "benchmark"}  # still accepted, and empty
OF_OTHERS = {"ml-dtypes", "onnxconverter-common", "pyyaml"}  # no part of the framework uses these


def installed_by(requirement):
    """The third-party requirements that a requirement on our own distributions installs."""
    name, extras = re.fullmatch(r"([\w-]+)(?:\[([\w,-]+)\])?.*", requirement).groups()
    if name not in OWNED:
        return {name.lower()}
    data = project(name)
    parts = [r for e in (extras or "").split(",") if e for r in data["optional-dependencies"][e]]
    if name in TRACKERS:
        parts += [r for r in data["dependencies"] if not r.startswith("rechub-core")]
    return set().union(*map(installed_by, parts))


@pytest.mark.parametrize("extra", OLD["extras"])
def test_every_extra_of_0_9_is_there_and_installs_the_same_libraries(extra):
    found = installed_by(f"torch-rechub[{extra}]")
    if extra in OF_ITS_DEVELOPERS:
        assert found == set()
    else:
        assert set(OLD["extras"][extra].split()) - OF_OTHERS <= found


def test_the_extra_all_is_all_others():
    others = set(project("torch-rechub")["optional-dependencies"]) - {"all"}
    assert installed_by("torch-rechub[all]") == installed_by(f"torch-rechub[{','.join(others)}]")


@pytest.mark.parametrize(("module", "names"), OLD["modules"].items())
def test_what_could_be_imported_from_a_module_of_0_9_still_can(module, names):
    found = import_module(f"torch_rechub.{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_the_version_at_run_time_is_that_of_the_metadata():
    import torch_rechub

    assert torch_rechub.__version__ == project("rechub-core")["version"]


def test_extras_leave_out_versions_with_known_holes_and_those_that_nobody_tried():
    extras = project("rechub-core")["optional-dependencies"]
    # before 14.0.1, code in a file runs (CVE-2023-47248); 15 has checksums of Parquet pages
    assert extras["data"] == ["pyarrow>=15"]
    assert extras["bigdata"] == extras["data"]
    assert extras["milvus"] == ["pymilvus>=2.5,<4"]
    assert list(extras)[-1] == "annoy"  # it has no wheels
