"""The six wheels, built into one folder and installed from it as a user would."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from workspace.distributions import OWNED, PACKAGES, project

pytestmark = pytest.mark.slow

FIT = Path(__file__).with_name("fit_with_what_is_installed.py")
# the same torch everywhere: the newest would bring another gigabyte to each environment
PIN = "torch==2.13.0"
INSTALLS = {
    "torch-rechub[tracking]": "SwanLabLogger TensorBoardXLogger WandbLogger",
    "rechub-core rechub-wandb": "WandbLogger",
    "rechub-core rechub-swanlab": "SwanLabLogger",
    "rechub-core rechub-tensorboardx": "TensorBoardXLogger",
    "torch-rechub[mlflow]": "MLflowLogger",
    "rechub-core": "",
}


def run(*command: object, **options: object) -> str:
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=900, **options
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder]
    run(*pip, *(PACKAGES / name for name in OWNED))
    return folder


@pytest.fixture(scope="session")
def torch_alone(tmp_path_factory) -> Path:
    """A folder with torch and what it requires: too large to be installed for each test."""
    folder = tmp_path_factory.mktemp("torch")
    run(sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--target", folder, PIN)
    return folder


def lend(environment: Path, packages: Path | str) -> None:
    """Have an environment find the packages of a folder, behind its own."""
    site = sysconfig.get_path("purelib", vars={"base": str(environment)})
    Path(site, "behind.pth").write_text(str(packages))


def clean_python(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def files_of(wheels: Path, name: str) -> list[str]:
    (wheel,) = wheels.glob(f"{name.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(wheel).namelist()


@pytest.mark.parametrize(("name", "package"), OWNED.items())
def test_a_wheel_holds_its_own_package_and_nothing_else(wheels, name, package):
    files = [f for f in files_of(wheels, name) if ".dist-info/" not in f]
    assert {f.split("/")[0] for f in files} == ({package} if package else set())
    if package:
        assert f"{package}/py.typed" in files
        assert f"{package}/__init__.py" in files
    license = [f for f in files_of(wheels, name) if f.endswith("licenses/LICENSE")]
    assert len(license) == 1


@pytest.mark.parametrize(("what", "used"), INSTALLS.items())
def test_a_clean_install_trains_with_the_trackers_it_has(wheels, torch_alone, tmp_path, what, used):
    python = clean_python(tmp_path / "venv")
    lend(tmp_path / "venv", torch_alone)
    # of what is installed, little is imported and has to be compiled
    pip = [python, "-m", "pip", "install", "-q", "--no-compile", "--find-links", wheels]
    run(*pip, PIN, *what.split())
    version = run(
        python, "-c", "from importlib.metadata import version as v; print(v('rechub-core'))"
    )
    assert version.strip() == project("rechub-core")["version"]
    output = run(python, FIT, cwd=tmp_path)
    assert output.strip().splitlines()[-1].split() == ["USED", *used.split()]


@pytest.mark.parametrize("last", ["torch-rechub==0.9.0", "rechub-core"])
def test_an_old_copy_lying_over_core_is_named_with_the_commands_that_mend_it(
    wheels, tmp_path, last
):
    python = clean_python(tmp_path / "venv")
    first = {"rechub-core": "torch-rechub==0.9.0"}.get(last, "rechub-core")
    for requirement in (first, last):
        pip = [python, "-m", "pip", "install", "-q", "--no-compile", "--no-deps", "-f", wheels]
        run(*pip, requirement)
    lend(tmp_path / "venv", sysconfig.get_path("purelib"))  # torch and the rest
    done = subprocess.run(
        [python, "-c", "import torch_rechub.basic.tracking"], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "pip uninstall -y torch-rechub rechub-core" in done.stderr
    assert 'pip install "torch-rechub>=1.0"' in done.stderr
